"""An answer that declines: what was searched, and the passages that came nearest."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.runs import Citation, Passage, Usage
from fargate.generation.drafts import Draft
from fargate.generation.evidence import cite

MAX_NEAREST = 3
"""How many documents an abstention names, each by its best passage."""

NOTHING_FOUND = "No document that you may read has anything to search in for this question."
NOT_SAID = "The documents do not say."
NOT_BORNE_OUT = "The documents do not bear out an answer."


def abstention(question: str, passages: Sequence[Passage], usage: Usage, said: str = NOT_SAID) -> Draft:
    """Give the draft that declines to answer *question* from *passages*, best first, and offers the nearest."""
    if not passages:
        return Draft(text=NOTHING_FOUND, abstained=True, usage=usage)
    names = list(dict.fromkeys(passage.name for passage in passages))
    text = f"{said} The nearest passages, from {_listed(names)}, do not answer this question."
    return Draft(text=text, abstained=True, usage=usage, nearest=nearest(question, passages))


def nearest(question: str, passages: Sequence[Passage]) -> list[Citation]:
    """Give the best place in the best passage of each of the first `MAX_NEAREST` documents, numbered from 1."""
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.document_id, passage)
    return [cite(number, question, passage) for number, passage in enumerate([*first.values()][:MAX_NEAREST], 1)]


def _listed(names: Sequence[str]) -> str:
    first, more = names[:MAX_NEAREST], len(names) - MAX_NEAREST
    parts = [*first, f"{more} more"] if more > 0 else first
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
