"""Lines that mark passages, in what models say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fargate.generation.echoes import Echoes

MARK = "0123456789abcdef"


def passed(*pieces: str) -> tuple[str, int]:
    """Give what comes out, and how many lines were found."""
    echoes = Echoes(MARK)
    return "".join(map(echoes.feed, pieces)) + echoes.end(), echoes.count


@pytest.mark.parametrize(
    ("said", "heard", "count"),
    [
        (f"<<{MARK} passage 4>>\nThirty days.\n<<{MARK} end>>", "\nThirty days.\n", 2),
        (f"Thirty days <<{MARK} passage 2>>.", "Thirty days [2].", 1),
        (f"Thirty days <<{MARK} passage 2>><<{MARK} passage 3>>.", "Thirty days [2][3].", 2),
        (f"Thirty days.\n  <<{MARK} passage 2>> More.", "Thirty days.\n   More.", 1),
        ("<<fedcba9876543210 passage 1>>", "<<fedcba9876543210 passage 1>>", 0),
        ("a << b <<", "a << b <<", 0),
        (f"<<{MARK} passage", f"<<{MARK} passage", 0),
        ("x" * 50 + "<", "x" * 50 + "<", 0),
    ],
)
def test_lines_that_mark_passages_are_not_heard(said: str, heard: str, count: int) -> None:
    """Behind words they were citations; what only looks like one stays."""
    assert passed(said) == (heard, count)


parts = st.sampled_from(["<", "<<", MARK, " passage ", "2", ">>", " end>>", "\n", "word ", f"<<{MARK} passage 1>>"])


@given(st.lists(parts, max_size=20), st.data())
def test_it_does_not_matter_where_a_stream_is_cut(chosen: list[str], data: st.DataObject) -> None:
    """Any pieces of one text come to the same."""
    text = "".join(chosen)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert passed(*pieces) == passed(text)


def test_plain_words_are_not_held_back() -> None:
    """A stream says them at once."""
    assert Echoes(MARK).feed("Everybody has ") == "Everybody has "
