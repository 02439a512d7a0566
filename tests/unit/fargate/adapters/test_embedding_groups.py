"""Long lists of texts in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chalicelib.errors import Unavailable
from chalicelib.ports.models import Embeddings
from fargate.adapters.embedding_groups import embed_groups, grouped


@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        ([], []),
        (["a", "b", "c"], [["a", "b"], ["c"]]),
        (["aaaa", "bbbb", "c"], [["aaaa"], ["bbbb", "c"]]),
        (["a" * 50, "b"], [["a" * 50], ["b"]]),
    ],
    ids=["nothing", "by count", "by characters", "one too long for any group"],
)
def test_texts_are_grouped_in_order(texts: list[str], groups: list[list[str]]) -> None:
    """At most two texts and six characters each, here."""
    assert grouped(texts, 2, 6) == groups


def test_two_groups_are_under_way_at_most_and_results_are_in_order() -> None:
    """A long call leaves room to the others, and its answer does not show in which order groups were done."""
    under_way, most = 0, 0

    async def embed(group: Sequence[str]) -> Embeddings:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001 * (9 - int(group[0])))
        under_way -= 1
        return Embeddings([text.encode() for text in group], [int(text) for text in group])

    found = asyncio.run(embed_groups([[str(number)] for number in range(9)], embed))
    assert (found.tokens, most) == (list(range(9)), 2)
    assert found.vectors[3] == b"3"


def test_the_first_error_ends_the_call() -> None:
    """It is raised as it is, and no further group is begun."""
    begun: list[str] = []

    async def embed(group: Sequence[str]) -> Embeddings:
        begun.append(group[0])
        await asyncio.sleep(0.001)
        raise Unavailable(f"no {group[0]}")

    with pytest.raises(Unavailable, match="no 0"):
        asyncio.run(embed_groups([[str(number)] for number in range(50)], embed))
    assert len(begun) < 5
