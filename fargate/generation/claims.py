"""The check of an answer's statements against the passages they cite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.domain.runs import Citation, Claim, Passage, Verdict
from fargate.generation.drafts import Draft, Statement
from fargate.generation.sentences import plain


def check_claims(draft: Draft, passages: Sequence[Passage]) -> list[Claim]:
    """
    Give each statement of *draft* with what checking it came to.

    `supported`: every quote it cites stands in its passage, at the very place the citation says, and the statement
    says nothing else. `misattributed`: some quote does not. `unsupported`: it cites nothing. `unchecked`: the quotes
    stand, but the statement is worded otherwise, so that it would take a judge.
    """
    by_chunk: dict[str, Passage] = {passage.chunk_id: passage for passage in passages}
    by_marker = {citation.marker: citation for citation in draft.citations}
    return [
        Claim(statement.text, _verdict(statement, by_marker, by_chunk), tuple(statement.citations))
        for statement in draft.statements
    ]


def _verdict(statement: Statement, by_marker: Mapping[int, Citation], by_chunk: Mapping[str, Passage]) -> Verdict:
    if not statement.citations:
        return Verdict.UNSUPPORTED
    cited = [by_marker.get(marker) for marker in statement.citations]
    quotes = [citation for citation in cited if citation is not None and _stands(citation, by_chunk)]
    if len(quotes) < len(cited):
        return Verdict.MISATTRIBUTED
    return Verdict.SUPPORTED if any(_says(statement.text, citation.quote) for citation in quotes) else Verdict.UNCHECKED


def _stands(citation: Citation, by_chunk: Mapping[str, Passage]) -> bool:
    """Say whether the quote is, to the letter, what its place in the passage holds."""
    passage = by_chunk.get(citation.chunk_id)
    if passage is None or passage.document_id != citation.document_id or citation.start < passage.start:
        return False
    return bool(citation.quote) and (
        passage.text[citation.start - passage.start : citation.end - passage.start] == citation.quote
    )


def _says(statement: str, quote: str) -> bool:
    """Say whether *statement* is *quote*, but for Markdown's signs and white space."""
    return statement in (quote, plain(quote))
