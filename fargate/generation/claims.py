"""The check of an answer's statements against the passages they cite: what can be decided without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from chalicelib.domain.runs import Citation, Claim, Evidence, Passage, Verdict
from fargate.generation.claim_facts import Date, Number, dates, names, numbers
from fargate.generation.claim_polarity import opposite
from fargate.generation.drafts import Draft, Statement
from fargate.generation.evidence import Span, locate
from fargate.generation.sentences import plain

SAYS = 0.75
"""With this share of its words in the evidence and no fact against it, a statement is supported."""
SAYS_ELSEWHERE = 0.8
"""Another passage must hold this share before a statement is said to come from there."""
SILENT = 0.35
"""With less of its words in the evidence, a statement is worded anew, comes from elsewhere, or from nowhere."""
MIN_QUOTED_WORDS = 4


def check_claims(draft: Draft, passages: Sequence[Passage]) -> list[Claim]:
    """
    Give each statement of *draft* with what checking it came to, why, and where the evidence stands.

    `supported`: a passage it cites says so, in its words or nearly, and nothing there speaks against it.
    `misattributed`: a quote does not stand where its citation says, or another of *passages* says it and none cited
    does. `unsupported`: it cites nothing, or what it cites says something else. `unchecked`: neither can be told from
    the words; likeness of meaning or a judge may.
    """
    by_marker = {citation.marker: citation for citation in draft.citations}
    return [_checked(statement, by_marker, passages) for statement in draft.statements]


def _checked(statement: Statement, by_marker: Mapping[int, Citation], passages: Sequence[Passage]) -> Claim:
    text, markers = statement.text, tuple(statement.citations)
    if not markers:
        return Claim(text, Verdict.UNSUPPORTED, markers, reason="no_citation")
    by_chunk: dict[str, Passage] = {passage.chunk_id: passage for passage in passages}
    cited = [by_marker.get(marker) for marker in markers]
    standing = [citation for citation in cited if citation is not None and _stands(citation, by_chunk)]
    if len(standing) < len(cited):
        return Claim(text, Verdict.MISATTRIBUTED, markers, reason="quote_not_there")
    for citation in standing:
        if _same(text, citation.quote):
            return Claim(text, Verdict.SUPPORTED, markers, (_quoted(citation),), "verbatim")
    return _compared(Claim(text, Verdict.UNCHECKED, markers), standing, by_chunk)


def _stands(citation: Citation, by_chunk: Mapping[str, Passage]) -> bool:
    """Say whether the quote is, to the letter, what its place in the passage holds."""
    passage = by_chunk.get(citation.chunk_id)
    if passage is None or passage.document_id != citation.document_id or citation.start < passage.start:
        return False
    return bool(citation.quote) and (
        passage.text[citation.start - passage.start : citation.end - passage.start] == citation.quote
    )


def _same(statement: str, quote: str) -> bool:
    """Say whether *statement* is *quote*, but for Markdown's signs and white space."""
    return statement in (quote, plain(quote)) or plain(statement) == plain(quote)


def _quoted(citation: Citation) -> Evidence:
    return Evidence(
        citation.marker, citation.chunk_id, citation.document_id, citation.quote, citation.start, citation.end
    )


def _compared(claim: Claim, cited: Sequence[Citation], by_chunk: Mapping[str, Passage]) -> Claim:
    sources = {citation.chunk_id: by_chunk[citation.chunk_id] for citation in cited}
    found = compare(claim.text, list(sources.values()))
    evidence = tuple(_evidence(found, cited))
    if found.verdict is not Verdict.UNSUPPORTED and found.share >= SILENT:
        return replace(claim, verdict=found.verdict, evidence=evidence, reason=found.reason)
    others = [passage for chunk_id, passage in by_chunk.items() if chunk_id not in sources]
    elsewhere = _elsewhere(claim.text, others)
    if elsewhere is not None:
        return replace(claim, verdict=Verdict.MISATTRIBUTED, evidence=(elsewhere,), reason="in_another_passage")
    return replace(claim, verdict=found.verdict, evidence=evidence, reason=found.reason)


def _evidence(found: Comparison, cited: Sequence[Citation]) -> list[Evidence]:
    marker_of = {citation.chunk_id: citation.marker for citation in reversed(cited)}
    return [
        Evidence(marker_of[passage.chunk_id], passage.chunk_id, passage.document_id, span.quote, span.start, span.end)
        for passage, span in found.spans
    ]


def _elsewhere(text: str, passages: Sequence[Passage]) -> Evidence | None:
    for passage in passages:
        found = compare(text, [passage])
        if found.verdict is Verdict.SUPPORTED and found.share >= SAYS_ELSEWHERE:
            span = found.spans[0][1]
            return Evidence(None, passage.chunk_id, passage.document_id, span.quote, span.start, span.end)
    return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the *spans* of passages come to for a statement; *share* is the largest of theirs."""

    verdict: Verdict
    reason: str
    spans: Sequence[tuple[Passage, Span]]
    share: float


def compare(text: str, passages: Sequence[Passage]) -> Comparison:
    """Compare a statement with what the best place of each of *passages* says, taken together."""
    located = [(passage, locate(text, passage)) for passage in passages]
    spans = [(passage, span) for passage, span in located if span is not None]
    share = max((span.share for _, span in spans), default=0.0)
    statement, source = plain(text), " ".join(plain(span.quote) for _, span in spans)
    whole = " ".join(_all(passage) for passage in passages)
    if _quotes_wrongly(text, whole):
        return Comparison(Verdict.MISATTRIBUTED, "quote_not_there", spans, share)
    against = _against(statement, source, whole) if source else None
    if against is not None:
        return Comparison(Verdict.UNSUPPORTED, against, spans, share)
    if share < SILENT:
        return Comparison(Verdict.UNCHECKED, "other_words", spans, share)
    if share >= SAYS and not _open(statement, source):
        return Comparison(Verdict.SUPPORTED, "words", spans, share)
    return Comparison(Verdict.UNCHECKED, "undecided", spans, share)


def contradiction(text: str, quote: str) -> str | None:
    """Say by which fact *quote* does not hold what *text* says, in a machine's word; None where there is none."""
    statement, source = plain(text), plain(quote)
    if _open(statement, source):
        return "fact_not_in_source"
    return _against(statement, source, source)


def _all(passage: Passage) -> str:
    return "\n".join([passage.name, *passage.heading_path, passage.context, _plain(passage.text)])


_plain = lru_cache(maxsize=128)(plain)  # every claim of an answer looks at the same few passages


_QUOTATION = re.compile(r"\"([^\"\n]{8,})\"|“([^”\n]{8,})”|«([^»\n]{8,})»|„([^“”\n]{8,})[“”]")


def _quotes_wrongly(text: str, source: str) -> bool:
    """Say whether *text* has words in quotation marks that *source* does not hold."""
    held = _bare(source)
    quoted = [_bare(next(filter(None, found.groups()))) for found in _QUOTATION.finditer(text)]
    return any(len(quote.split()) >= MIN_QUOTED_WORDS and quote not in held for quote in quoted)


def _bare(text: str) -> str:
    return " ".join(plain(text).casefold().replace("’", "'").split()).rstrip(".,;")


def _against(statement: str, source: str, whole: str) -> str | None:
    """Say what of *statement* the cited passages, *whole*, do not hold, or their best place, *source*, denies."""
    if _missing_dates(statement, whole):
        return "date_not_in_source"
    if missing := _missing_numbers(statement, whole):
        return "unit_differs" if _same_value(missing, numbers(whole)) else "number_not_in_source"
    held = whole.casefold()
    if any(name not in held for name in names(statement)):
        return "name_not_in_source"
    if _swapped(statement, source):
        return "name_differs"
    if _missing_numbers(statement, source) and _missing_numbers(source, statement):
        return "number_differs"
    return opposite(statement, source)


def _open(statement: str, source: str) -> bool:
    """Say whether a fact of *statement* stands elsewhere in the passage than where the rest is said."""
    held = source.casefold()
    return bool(_missing_numbers(statement, source)) or any(name not in held for name in names(statement))


def _swapped(statement: str, source: str) -> bool:
    """Say whether *statement* has a name that *source* has not, in the place of one that it has."""
    said, held = statement.casefold(), source.casefold()
    new = [name for name in names(statement) if name not in held]
    return bool(new) and any(name not in said for name in names(source))


def _missing_dates(statement: str, source: str) -> bool:
    wanted = dates(statement)
    held = [reading for readings in dates(source) for reading in readings] if wanted else []
    return any(not any(_covers(one, other) for one in readings for other in held) for readings in wanted)


def _covers(said: Date, held: Date) -> bool:
    return all(part is None or part == other for part, other in zip(said, held, strict=True))


def _missing_numbers(statement: str, source: str) -> list[Number]:
    wanted = numbers(statement)
    if not wanted:
        return []
    held = _held_numbers(source)
    return [number for number in wanted if not any(_agree(number, other) for other in held)]


@lru_cache(maxsize=128)
def _held_numbers(source: str) -> Sequence[Number]:
    parts = [part for found in dates(source) for one in found for part in one if part]
    return [*numbers(source), *(Number(frozenset([float(part)])) for part in parts)]


def _agree(one: Number, other: Number) -> bool:
    return bool(one.values & other.values) and (one.unit == other.unit or not (one.unit and other.unit))


def _same_value(missing: Sequence[Number], held: Sequence[Number]) -> bool:
    return all(any(one.values & other.values for other in held) for one in missing)
