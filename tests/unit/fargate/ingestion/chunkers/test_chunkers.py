"""Chunkers keep what they promise on any document, and cut well on documents as people write them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument, Span
from chalicelib.domain.indexes import Component
from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers import registry, semantic
from fargate.ingestion.chunkers.tokens import Tokens
from tests.fakes.embedder import vector
from tests.fakes.ingestion import direction

_WORD_PIECE = re.compile(r"\w{1,4}|[^\w\s]")
NAMES = [view.name for view in registry.components()]
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


def paged(*pages: list[str]) -> ParsedDocument:
    """Put paragraphs on pages."""
    blocks, text = [], ""
    for number, bodies in enumerate(pages, start=1):
        for body in bodies:
            text += "\n\n" if text else ""
            blocks.append(Block(BlockKind.TEXT, len(text), len(text) + len(body.strip()), (), number))
            text += body.strip()
    return ParsedDocument(text, tuple(blocks), "A title", "text/plain", len(pages))


def texts(parsed: ParsedDocument, spans: list[Span]) -> list[str]:
    return [parsed.text[span.start : span.end] for span in spans]


def cut(parsed: ParsedDocument, name: str = "structure", **parameters: int) -> list[Span]:
    """Cut with embeddings that any two texts that differ have in different directions."""
    chunker, tokens = registry.get(Component(name, parameters)), token_spans(parsed.text)
    wanted = chunker.texts_to_embed(parsed, tokens)
    assert all(text.strip() for text in wanted)
    return chunker.cut(parsed, tokens, [direction(text) for text in wanted])


def bounded(name: str, budget: int, overlap: int) -> dict[str, int]:
    """Give the parameters with which *name* makes no chunk over *budget*."""
    return {
        "sentence": {"max_tokens": budget, "overlap_sentences": overlap},
        "parent_child": {"child_tokens": budget, "parent_tokens": 2 * budget},
        "semantic": {"max_tokens": budget, "min_tokens": overlap, "percentile": 50, "window_sentences": 2},
    }.get(name, {"max_tokens": budget, "overlap_tokens": overlap})


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
        start, end = len(text), len(text) + len(body.strip())
        header = start + draw(st.integers(1, end - start)) if kind is BlockKind.TABLE else None
        blocks.append(Block(kind, start, end, path, page if pages else None, header))
        text += body.strip()
    return ParsedDocument(text, tuple(blocks), "A title", "text/plain")


@given(documents(), st.sampled_from(NAMES), st.integers(16, 80), st.integers(0, 8))
@settings(max_examples=500, deadline=None)
def test_spans_are_exact_ordered_within_budget_and_leave_nothing_out(
    parsed: ParsedDocument, name: str, budget: int, overlap: int
) -> None:
    """Every promise of `Chunker.cut`, on documents made of anything."""
    spans = cut(parsed, name, **bounded(name, budget, overlap))
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
    assert spans == cut(parsed, name, **bounded(name, budget, overlap))


@given(documents(), st.sampled_from(NAMES), st.integers(16, 80))
@settings(max_examples=200, deadline=None)
def test_without_overlap_nothing_is_said_twice(parsed: ParsedDocument, name: str, budget: int) -> None:
    """With no overlap asked for, spans do not touch."""
    spans = cut(parsed, name, **bounded(name, budget, 0))
    assert all(before.end <= after.start for before, after in pairwise(spans))


@given(documents(), st.sampled_from(sorted(set(NAMES) - {"fixed"})), st.integers(16, 80), st.integers(0, 8))
@settings(max_examples=200, deadline=None)
def test_no_chunk_crosses_a_page(parsed: ParsedDocument, name: str, budget: int, overlap: int) -> None:
    """All blocks in a chunk stand on the page it names; `fixed` alone looks at nothing."""
    for span in cut(parsed, name, **bounded(name, budget, overlap)):
        touched = [block for block in parsed.blocks if block.start < span.end and block.end > span.start]
        assert {block.page for block in touched} == {span.page}


@given(documents(), st.integers(16, 40), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_children_fill_their_parents_from_end_to_end(parsed: ParsedDocument, child: int, times: int) -> None:
    """A parent begins with its first child, ends with its last, is within its budget, and no other one is in it."""
    spans = cut(parsed, "parent_child", child_tokens=child, parent_tokens=times * child)
    counter = Tokens(parsed.text, token_spans(parsed.text))
    for parent, children in groupby(spans, lambda span: span.parent):
        assert parent is not None
        inside = list(children)
        assert (inside[0].start, inside[-1].end) == parent
        assert counter.count(*parent) <= times * child
    parents = [parent for parent, _ in groupby(span.parent for span in spans)]
    assert len(parents) == len(set(parents))


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
    with pytest.raises(InvalidRequest, match="fixed, page, parent_child, semantic, sentence, structure"):
        registry.get(Component("magic"))
    for parameters in ({"max_tokens": 0}, {"max_tokens": "256"}, {"size": 3}, {"max_tokens": 20, "overlap_tokens": 11}):
        with pytest.raises(InvalidRequest) as caught:
            registry.get(Component("structure", parameters))
        assert caught.value.extra["errors"][0]["loc"][0] == "chunker"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sentence", {"overlap_tokens": 3}),
        ("page", {"max_tokens": 8}),
        ("parent_child", {"child_tokens": 200, "parent_tokens": 100}),
        ("semantic", {"max_tokens": 100, "min_tokens": 51}),
        ("semantic", {"percentile": 101}),
    ],
)
def test_every_chunker_refuses_what_it_cannot_use(name: str, parameters: dict[str, int]) -> None:
    """Each has parameters of its own."""
    with pytest.raises(InvalidRequest, match=f"chunker '{name}' cannot be used so"):
        registry.get(Component(name, parameters))


def test_every_chunker_is_listed_with_its_own_parameters() -> None:
    """Forms are built from the schema, so it must say names and bounds; one chunker is the default."""
    listed = {view.name: view for view in registry.components()}
    assert [name for name, view in listed.items() if view.default] == ["structure"]
    assert listed["structure"].parameters["properties"]["max_tokens"]["default"] == 256
    assert {name: set(view.parameters["properties"]) for name, view in listed.items()} == {
        "structure": {"max_tokens", "overlap_tokens"},
        "fixed": {"max_tokens", "overlap_tokens"},
        "sentence": {"max_tokens", "overlap_sentences"},
        "page": {"max_tokens", "overlap_tokens"},
        "parent_child": {"child_tokens", "parent_tokens"},
        "semantic": {"max_tokens", "min_tokens", "percentile", "window_sentences"},
    }


def test_sentences_stay_whole_and_the_last_ones_are_repeated() -> None:
    """As many as the parameter says, across paragraphs."""
    parsed = written(
        (BlockKind.TEXT, "Aa bb cc. Dd ee ff.", ()),
        (BlockKind.TEXT, "Gg hh ii. Jj kk ll. Mm nn oo. Pp qq rr.", ()),
    )
    chunks = texts(parsed, cut(parsed, "sentence", max_tokens=16, overlap_sentences=2))
    assert chunks == [
        "Aa bb cc. Dd ee ff.\n\nGg hh ii. Jj kk ll.",
        "Gg hh ii. Jj kk ll. Mm nn oo. Pp qq rr.",
    ]


def test_a_heading_goes_with_the_sentences_below_it() -> None:
    """Rather than close the chunk before."""
    parsed = written(
        (BlockKind.TEXT, "Aa bb cc dd ee ff gg hh ii.", ()),
        (BlockKind.HEADING, "The rule", ("The rule",)),
        (BlockKind.TEXT, "Jj kk ll mm nn oo pp.", ("The rule",)),
    )
    first, second = cut(parsed, "sentence", max_tokens=16, overlap_sentences=1)
    assert texts(parsed, [first, second]) == ["Aa bb cc dd ee ff gg hh ii.", "The rule\n\nJj kk ll mm nn oo pp."]
    assert second.heading_path == ("The rule",)


def test_a_page_is_one_chunk_unless_it_is_over_the_budget() -> None:
    """Whatever headings stand on it."""
    parsed = paged(["One. Two.", "Three " * 30], ["Four."])
    spans = cut(parsed, "page", max_tokens=128, overlap_tokens=0)
    assert [(span.page, span.tokens) for span in spans] == [(1, 64), (2, 2)]
    assert [span.page for span in cut(parsed, "page", max_tokens=32, overlap_tokens=0)] == [1, 1, 1, 2]


@given(documents(), st.integers(16, 80))
@settings(max_examples=50, deadline=None)
def test_without_pages_page_is_structure(parsed: ParsedDocument, budget: int) -> None:
    """A text has no pages, and still is cut well."""
    pageless = replace(parsed, blocks=tuple(replace(block, page=None) for block in parsed.blocks))
    parameters = {"max_tokens": budget, "overlap_tokens": 4}
    assert cut(pageless, "page", **parameters) == cut(pageless, "structure", **parameters)


def test_the_text_is_cut_where_its_subject_changes() -> None:
    """Sentences about three things, in paragraphs that say nothing about it."""
    subjects = ["leave days holiday", "train ticket travel", "screen desk chair"]
    sentences = [f"{subject} {word}." for subject in subjects for word in ("aa", "bb", "cc", "dd")]
    parsed = written(*((BlockKind.TEXT, sentence, ()) for sentence in sentences))
    chunker = registry.get(Component("semantic", {"max_tokens": 64, "min_tokens": 8, "percentile": 80}))
    tokens = token_spans(parsed.text)
    vectors = [vector(text) for text in chunker.texts_to_embed(parsed, tokens)]
    found = texts(parsed, chunker.cut(parsed, tokens, vectors))
    assert found == ["\n\n".join(sentences[place : place + 4]) for place in (0, 4, 8)]


def test_a_long_document_is_embedded_in_larger_pieces() -> None:
    """The number of embeddings is bounded, and every sentence is in one of them."""
    count = 2 * semantic.MAX_EMBEDDED + 3
    parsed = written((BlockKind.TEXT, " ".join(f"Aa {number}." for number in range(count)), ()))
    chunker = registry.get(Component("semantic", {}))
    wanted = chunker.texts_to_embed(parsed, token_spans(parsed.text))
    assert len(wanted) <= semantic.MAX_EMBEDDED
    assert " ".join(wanted) == parsed.text


@pytest.mark.parametrize("name", ["structure", "parent_child"])
def test_room_is_left_for_the_header_of_a_table_that_is_cut(name: str) -> None:
    """Header and rows together stay within the budget, so that the embedder sees both."""
    header, rows = "name | first | second", [f"name {number} | 1 | 2" for number in range(20)]
    text = "\n".join([header, *rows])
    block = Block(BlockKind.TABLE, 0, len(text), header_end=len(header))
    parsed = ParsedDocument(text, (block,), "t", "text/plain")
    budget = {"child_tokens": 40, "parent_tokens": 512} if name == "parent_child" else {"max_tokens": 40}
    spans = cut(parsed, name, **budget, **({} if name == "parent_child" else {"overlap_tokens": 0}))
    header_tokens = len(token_spans(header).starts)
    assert len(spans) > 1
    assert all(span.tokens + header_tokens <= 40 for span in spans[1:])
