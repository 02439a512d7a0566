"""What becomes of an answer whose claims were checked: it stays, loses what is unsupported, or is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.releases import ClaimPolicy
from chalicelib.domain.runs import Citation, Claim, Passage, Verdict
from fargate.generation.abstention import NOT_BORNE_OUT, abstention
from fargate.generation.drafts import Draft, Statement

REJECTED = frozenset([Verdict.UNSUPPORTED, Verdict.MISATTRIBUTED])


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final draft with the claims of what it still says; *told* is what was left out, in a line, or None."""

    draft: Draft
    claims: Sequence[Claim]
    told: str | None = None


def apply_policy(
    policy: ClaimPolicy, draft: Draft, claims: Sequence[Claim], question: str, passages: Sequence[Passage]
) -> Outcome:
    """Give what *policy* leaves of *draft*, whose statements are *claims*, in the same order."""
    bad = [place for place, claim in enumerate(claims) if claim.verdict in REJECTED]
    if policy is ClaimPolicy.MARK or not bad:
        return Outcome(draft, claims)
    why = ", ".join(dict.fromkeys(claims[place].reason for place in bad))
    if policy is ClaimPolicy.REFUSE or len(bad) == len(claims):
        told = f"The answer was refused: {len(bad)} of {len(claims)} statements are not borne out ({why})."
        return Outcome(abstention(question, passages, draft.usage, NOT_BORNE_OUT), (), told)
    kept, numbers = _without(draft, bad)
    remaining = [_renumbered(claim, numbers) for place, claim in enumerate(claims) if place not in bad]
    return Outcome(kept, remaining, f"{len(bad)} of {len(claims)} statements were left out ({why}).")


def _without(draft: Draft, bad: Collection[int]) -> tuple[Draft, Mapping[int, int]]:
    """Give *draft* without the statements at *bad*, its citations numbered anew, and the new number of each marker."""
    statements = [statement for place, statement in enumerate(draft.statements) if place not in bad]
    markers = dict.fromkeys(marker for statement in statements for marker in statement.citations)
    numbers = {marker: number for number, marker in enumerate(markers, 1)}
    by_marker = {citation.marker: citation for citation in draft.citations}
    citations: list[Citation] = [
        replace(by_marker[marker], marker=number) for marker, number in numbers.items() if marker in by_marker
    ]
    text = _cut(draft, bad)
    return (
        replace(
            draft,
            text=_MARKER.sub(lambda found: _marked(found, numbers), text),
            citations=citations,
            statements=[replace(one, citations=[numbers[marker] for marker in one.citations]) for one in statements],
        ),
        numbers,
    )


_MARKER = re.compile(r"\s?\[(\d{1,3})\]")
_LEFT_OVER = re.compile(r"[\s>*+|#-]*(?:\d{1,3}[.)]\s*)?$")


def _marked(found: re.Match[str], numbers: Mapping[int, int]) -> str:
    number = numbers.get(int(found[1]))
    return "" if number is None else found[0].replace(found[1], str(number))


def _cut(draft: Draft, bad: Collection[int]) -> str:
    """Give the text without the statements at *bad*, each up to where the next begins."""
    starts = _starts(draft.text, draft.statements)
    if starts is None:
        kept = [one for place, one in enumerate(draft.statements) if place not in bad]
        return " ".join(one.text + "".join(f" [{marker}]" for marker in one.citations) for one in kept)
    ends = [*starts[1:], len(draft.text)]
    lead = draft.text[: starts[0]]
    pieces = [draft.text[starts[place] : ends[place]] for place in range(len(starts)) if place not in bad]
    text = lead + "".join(pieces)
    return _LEFT_OVER.sub("", text) if len(starts) - 1 in bad else text


def _starts(text: str, statements: Sequence[Statement]) -> list[int] | None:
    """Give where each statement begins in *text*; None where one does not stand there word for word."""
    starts: list[int] = []
    cursor = 0
    for statement in statements:
        start = text.find(statement.text, cursor)
        if start < 0:
            return None
        starts.append(start)
        cursor = start + len(statement.text)
    return starts


def _renumbered(claim: Claim, numbers: Mapping[int, int]) -> Claim:
    return replace(
        claim,
        citations=[numbers[marker] for marker in claim.citations if marker in numbers],
        evidence=[
            replace(one, marker=None if one.marker is None else numbers.get(one.marker)) for one in claim.evidence
        ],
    )
