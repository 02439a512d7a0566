"""Citations as models write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fargate.generation.marking import Marking


def marked(text: str, known: range = range(1, 6), size: int = 1_000) -> tuple[str, list[int], int]:
    """Give the text on, the passages it cites, and how many of its citations lead nowhere."""
    marking = Marking(known)
    said = "".join(marking.feed(text[at : at + size]) for at in range(0, len(text), size)) + marking.end()
    return said, marking.cited, marking.unknown


@pytest.mark.parametrize(
    ("text", "said", "cited"),
    [
        ("So it is [1].", "So it is [1].", [1]),
        ("So [3], and so [1], and again [3].", "So [1], and so [2], and again [1].", [3, 1]),
        ("So it is [1, 2].", "So it is [1][2].", [1, 2]),
        ("So it is [2;4 & 1].", "So it is [1][2][3].", [2, 4, 1]),
        ("So it is [1-3].", "So it is [1][2][3].", [1, 2, 3]),
        ("So it is [1–3, 5].", "So it is [1][2][3][4].", [1, 2, 3, 5]),
        ("So it is [^2].", "So it is [1].", [2]),
        ("So it is [Passage 2].", "So it is [1].", [2]),
        ("So it is [passages 2 and 3].", "So it is [1][2].", [2, 3]),
        ("So it is [doc #2].", "So it is [doc #2].", []),
        ("So it is [Passage 1, Passage 2].", "So it is [1][2].", [1, 2]),
        ("So it is [ref. 3].", "So it is [1].", [3]),
        ("So it is[1].", "So it is[1].", [1]),
        ("Use items[0] or a[7].", "Use items[0] or a[7].", []),
        ("Use `a[1]` or `b[2]` [3].", "Use `a[1]` or `b[2]` [1].", [3]),
        ("So it is 【2†a name that is quite long, with many words in it.md】.", "So it is [1].", [2]),
        ("Two\nlines [1,\n2].", "Two\nlines [1,\n2].", []),
        ("So it is 【2†source】.", "So it is [1].", [2]),
        ("So it is 【2:0†leave.md】.", "So it is [1].", [2]),
        ("So it is [1][1].", "So it is [1][1].", [1]),
        ("An array[i] and [a link](x) stay.", "An array[i] and [a link](x) stay.", []),
        ("Open [ and never closed", "Open [ and never closed", []),
        ("In [2024] it rained [1].", "In [2024] it rained [1].", [1]),
        ("Nested [[1]].", "Nested [[1]].", [1]),
    ],
)
def test_however_it_is_written(text: str, said: str, cited: list[int]) -> None:
    """They are numbered as they appear, whatever the pieces were."""
    assert marked(text) == (said, cited, 0)
    assert marked(text, size=1) == marked(text, size=3) == marked(text)


def test_what_is_not_there_is_not_cited() -> None:
    """It is taken out and counted."""
    assert marked("So it is [9][1].") == ("So it is [1].", [1], 1)
    assert marked("So it is [4-8].") == ("So it is [1][2].", [4, 5], 1)
    assert marked("See [9].") == ("See.", [], 1)
    assert marked("So it is [1-100].") == ("So it is [1][2][3][4][5].", [1, 2, 3, 4, 5], 1)


def test_words_are_not_held_back() -> None:
    """Only what may be a citation is."""
    marking = Marking([1])
    pieces = ("So ", "it is", " [", "1", "]", ".", " [", "See", " the")
    said = [marking.feed(piece) for piece in pieces]
    assert said == ["So", " it is", "", "", " [1]", ".", "", "", " [See the"]


@given(st.text(alphabet="[]【】^ 0123,;-abref`\n†", max_size=60), st.integers(1, 7))
def test_pieces_make_no_difference(text: str, size: int) -> None:
    """For any text at all; every citation that is left leads somewhere."""
    said, cited, unknown = marked(text)
    assert marked(text, size=size) == (said, cited, unknown)
