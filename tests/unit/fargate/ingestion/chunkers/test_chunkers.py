"""Chunkers keep what they promise on any document, and cut well on documents as people write them."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument, Span
from chalicelib.domain.indexes import Component
from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers import registry
from fargate.ingestion.chunkers.tokens import Tokens

_WORD_PIECE = re.compile(r"\w{1,4}|[^\w\s]")
_CHARACTERS = st.text("abcdefgh ABC.!?。,;\n\t|-ßé中😀 123", max_size=300)


def token_spans(text: str) -> TokenSpans:
    """Cut words into pieces of up to four characters, as a word piece tokenizer would."""
    found = list(_WORD_PIECE.finditer(text))
    return TokenSpans([match.start() for match in found], [match.end() for match in found])


def written(*parts: tuple[BlockKind, str, tuple[str, ...]], page: int | None = None) -> ParsedDocument:
    """Put blocks together as parsers do: a blank line between."""
    blocks, text = [], ""
    for kind, body, path in parts:
        text += "\n\n" if text else ""
        blocks.append(Block(kind, len(text), len(text) + len(body), path, page))
        text += body
    return ParsedDocument(text, tuple(blocks), "A title", "text/plain")


def texts(parsed: ParsedDocument, spans: list[Span]) -> list[str]:
    return [parsed.text[span.start : span.end] for span in spans]


def cut(parsed: ParsedDocument, name: str = "structure", **parameters: int) -> list[Span]:
    return registry.get(Component(name, parameters)).cut(parsed, token_spans(parsed.text))


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    bodies = draw(st.lists(st.tuples(st.sampled_from(list(BlockKind)), _CHARACTERS), max_size=12))
    pages = draw(st.booleans())
    blocks: list[Block] = []
    text, page = "", 1
    path: tuple[str, ...] = ()
    for kind, body in bodies:
        if not body.strip():
            continue
        text += "\n\n" if text else ""
        page += draw(st.integers(0, 1))
        path = (body.strip()[:10],) if kind is BlockKind.HEADING else path
        blocks.append(Block(kind, len(text), len(text) + len(body.strip()), path, page if pages else None))
        text += body.strip()
    return ParsedDocument(text, tuple(blocks), "A title", "text/plain")


@given(documents(), st.sampled_from(["structure", "fixed"]), st.integers(16, 80), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_spans_are_exact_ordered_within_budget_and_leave_nothing_out(
    parsed: ParsedDocument, name: str, budget: int, overlap: int
) -> None:
    """Every promise of `Chunker.cut`, on documents made of anything."""
    spans = cut(parsed, name, max_tokens=budget, overlap_tokens=overlap)
    counter = Tokens(parsed.text, token_spans(parsed.text))
    covered: set[int] = set()
    for span in spans:
        piece = parsed.text[span.start : span.end]
        assert piece.strip()
        assert span.tokens == counter.count(span.start, span.end) == len(token_spans(piece).starts)
        assert span.tokens <= budget
        covered.update(range(span.start, span.end))
    assert [span.start for span in spans] == sorted({span.start for span in spans})
    assert [span.end for span in spans] == sorted({span.end for span in spans})
    assert all(place in covered or character.isspace() for place, character in enumerate(parsed.text))
    assert spans == cut(parsed, name, max_tokens=budget, overlap_tokens=overlap)


@given(documents(), st.integers(16, 80))
@settings(max_examples=100, deadline=None)
def test_without_overlap_nothing_is_said_twice(parsed: ParsedDocument, budget: int) -> None:
    """With no overlap asked for, spans do not touch."""
    for name in ("structure", "fixed"):
        spans = cut(parsed, name, max_tokens=budget, overlap_tokens=0)
        assert all(before.end <= after.start for before, after in pairwise(spans))


@given(documents(), st.integers(16, 80), st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_a_structure_chunk_never_crosses_a_page(parsed: ParsedDocument, budget: int, overlap: int) -> None:
    """All blocks in a chunk stand on the page it names."""
    for span in cut(parsed, max_tokens=budget, overlap_tokens=overlap):
        touched = [block for block in parsed.blocks if block.start < span.end and block.end > span.start]
        assert {block.page for block in touched} == {span.page}


def test_small_neighbours_become_one_chunk_under_the_first_ones_heading() -> None:
    """Short paragraphs and short sections share a chunk; its path is that of its first block."""
    parsed = written(
        (BlockKind.HEADING, "Leave", ("Leave",)),
        (BlockKind.TEXT, "Everybody has 30 days.", ("Leave",)),
        (BlockKind.HEADING, "Sick leave", ("Leave", "Sick leave")),
        (BlockKind.TEXT, "Tell us.", ("Leave", "Sick leave")),
    )
    (span,) = cut(parsed)
    assert parsed.text[span.start : span.end] == parsed.text
    assert (span.heading_path, span.kind) == (("Leave",), BlockKind.TEXT)


def test_a_section_begins_a_new_chunk_once_the_last_is_full_enough() -> None:
    """Chunks open with their headings rather than carry them at the end."""
    words = "word " * 14 + "end."
    parsed = written(
        (BlockKind.HEADING, "One", ("One",)),
        (BlockKind.TEXT, words, ("One",)),
        (BlockKind.HEADING, "Two", ("Two",)),
        (BlockKind.TEXT, words, ("Two",)),
    )
    first, second = cut(parsed, max_tokens=64, overlap_tokens=0)
    assert texts(parsed, [first, second])[1].startswith("Two")
    assert second.heading_path == ("Two",)


def test_a_heading_is_never_the_last_thing_of_a_chunk() -> None:
    """Where the block below a heading fills the budget by itself, the block is cut, not the heading left behind."""
    sentence = "one two six ten. "
    parsed = written(
        (BlockKind.TEXT, sentence * 3, ()),
        (BlockKind.HEADING, "The rule", ("The rule",)),
        (BlockKind.TEXT, (sentence * 6).strip(), ("The rule",)),
    )
    chunks = texts(parsed, cut(parsed, max_tokens=30, overlap_tokens=0))
    assert not any(chunk.endswith("The rule") for chunk in chunks)
    assert any(chunk.startswith("The rule\n\none two") for chunk in chunks)


def test_long_text_is_cut_between_sentences_and_repeats_the_last_one() -> None:
    """Overlap is whole sentences where one fits."""
    parsed = written((BlockKind.TEXT, "Aa bb cc. Dd ee ff. Gg hh ii. Jj kk ll. Mm nn oo. Pp qq rr.", ()))
    chunks = texts(parsed, cut(parsed, max_tokens=16, overlap_tokens=5))
    assert chunks[:2] == ["Aa bb cc. Dd ee ff. Gg hh ii. Jj kk ll.", "Jj kk ll. Mm nn oo. Pp qq rr."]


@pytest.mark.parametrize("kind", [BlockKind.TABLE, BlockKind.CODE, BlockKind.LIST])
def test_rows_items_and_lines_of_code_stay_whole_and_are_not_repeated(kind: BlockKind) -> None:
    """A long table, list or listing is cut between its lines only."""
    rows = [f"name {number} | 1. first. value {number}" for number in range(20)]
    parsed = written((kind, "\n".join(rows), ()))
    chunks = texts(parsed, cut(parsed, max_tokens=48, overlap_tokens=16))
    assert [line for chunk in chunks for line in chunk.split("\n")] == rows


def test_a_word_longer_than_the_budget_is_cut_between_tokens() -> None:
    """Nothing is too long to be cut."""
    parsed = written((BlockKind.TEXT, "a" * 400, ()))
    spans = cut(parsed, max_tokens=16, overlap_tokens=0)
    assert [span.tokens for span in spans] == [16] * 6 + [4]


def test_tokens_that_share_a_character_are_never_parted() -> None:
    """Byte-level tokenizers give several tokens the same place; a cut there would fall into the character."""
    places = [place for place in range(20) for _ in range(3)]
    counter = Tokens("😀" * 20, TokenSpans(places, [place + 1 for place in places]))
    assert counter.fit(0, 20, 16) == 5
    assert counter.count(0, 5) == 15


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    """A full stop inside a sentence is no place to cut at."""
    parsed = written(
        (BlockKind.TEXT, "See e.g. Fig. 3 of Dr. No. It costs 3.50 in all. The next one begins here now.", ())
    )
    chunks = texts(parsed, cut(parsed, max_tokens=28, overlap_tokens=0))
    assert chunks == ["See e.g. Fig. 3 of Dr. No. It costs 3.50 in all.", "The next one begins here now."]


def test_an_unknown_chunker_or_parameter_is_refused_with_its_place() -> None:
    """Each mistake in a component gives `InvalidRequest` that says what to write instead."""
    with pytest.raises(InvalidRequest, match="fixed, structure"):
        registry.get(Component("magic"))
    for parameters in ({"max_tokens": 0}, {"max_tokens": "256"}, {"size": 3}, {"max_tokens": 20, "overlap_tokens": 11}):
        with pytest.raises(InvalidRequest) as caught:
            registry.get(Component("structure", parameters))
        assert caught.value.extra["errors"][0]["loc"][0] == "chunker"


def test_the_default_chunker_is_listed_with_its_parameters() -> None:
    """Forms are built from the schema, so it must say names and bounds."""
    listed = {view.name: view for view in registry.components()}
    assert listed["structure"].default
    assert listed["structure"].parameters["properties"]["max_tokens"]["default"] == 256
    assert set(listed) == {"structure", "fixed"}
