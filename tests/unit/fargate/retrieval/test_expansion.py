"""What is read around a passage is the document's own text, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contracts.asking import PassageView, RetrieveRequest
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings, Strategy
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

TEXTS = ("alpha one", "beta two", "gamma three", "delta four", "epsilon five", "zeta six", "eta seven")


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        yield opened


def retrieve(known: Knowledge, question: str, before: int, after: int, top_k: int = 10) -> list[PassageView]:
    """Ask by words, and read so many neighbours."""
    expansion = Component("neighbours", {"before": before, "after": after})
    settings = RetrievalSettings(Strategy.LEXICAL, expansion=expansion)
    known.release(ReleaseConfig(INDEX, 1, Recipe(), settings))
    request = RetrieveRequest(question=question, top_k=top_k)
    return asyncio.run(known.retrieval().retrieve(reader(), request)).passages


def exact(known: Knowledge, document_id: DocumentId, passage: PassageView) -> str:
    """Give the document's text where the passage says it stands."""
    return known.texts[document_id][passage.start : passage.end]


@pytest.mark.parametrize(
    ("question", "before", "after", "first", "last"),
    [("delta", 1, 1, 2, 4), ("delta", 2, 0, 1, 3), ("delta", 0, 0, 3, 3), ("alpha", 2, 1, 0, 1), ("eta", 1, 5, 5, 6)],
)
def test_neighbours_are_read_with_the_passage(
    known: Knowledge, question: str, before: int, after: int, first: int, last: int
) -> None:
    """As far as the document goes; text and place are exact, the id stays the found chunk's."""
    document_id = known.add(*TEXTS)
    (passage,) = retrieve(known, question, before, after)
    assert passage.text == "\n\n".join(TEXTS[first : last + 1]) == exact(known, document_id, passage)
    assert passage.chunk_id.endswith(f"_{[text.split()[0] for text in TEXTS].index(question):05d}")


def test_passages_that_touch_become_one_where_the_better_stood(known: Knowledge) -> None:
    """Two chunks found, side by side with what is read around them; the third is too far away."""
    document_id = known.add(*TEXTS)
    other = known.add("beta two two", "other")
    passages = retrieve(known, "beta two epsilon zeta", 0, 1)
    assert {(one.document_id, one.text) for one in passages} == {
        (document_id, "\n\n".join(TEXTS[1:3])),
        (document_id, "\n\n".join(TEXTS[4:7])),
        (other, "beta two two\n\nother"),
    }
    assert [one.score for one in passages] == sorted((one.score for one in passages), reverse=True)


def test_what_joins_two_passages_makes_all_three_one(known: Knowledge) -> None:
    """The last one found stands between them."""
    known.add("one one", "link", "one one", acl=["all"])
    (passage,) = retrieve(known, "one link", 0, 0)
    assert passage.text == "one one\n\nlink\n\none one"


def test_merged_passages_leave_room_for_others(known: Knowledge) -> None:
    """As many as asked for come back, where there are so many."""
    known.add("leave one", "leave two", "leave three")
    known.add("leave at the station", "unrelated")
    passages = retrieve(known, "leave", 1, 1, top_k=2)
    assert len(passages) == 2


def test_neighbours_of_an_unread_version_are_never_read(known: Knowledge) -> None:
    """The neighbours are those of the published attempt."""
    document_id = known.add("secret plan", "beta two", "secret numbers")
    known.republish(document_id, "beta two", "public numbers")
    (passage,) = retrieve(known, "beta", 1, 1)
    assert passage.text == "beta two\n\npublic numbers"


def test_chunks_with_something_unknown_between_them_stay_apart(known: Knowledge) -> None:
    """Chunks of an earlier version of the platform do not say what stands between them."""
    known.lead = None
    known.add(*TEXTS)
    (passage,) = retrieve(known, "delta", 1, 1)
    assert passage.text == "delta four"
