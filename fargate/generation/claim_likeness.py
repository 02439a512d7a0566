"""What likeness of meaning says of the claims that words have left open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.runs import Citation, Claim, Evidence, Passage, Verdict
from chalicelib.ports.models import Embedder, Purpose
from fargate.generation.claims import contradiction
from fargate.generation.sentences import plain, sentences

NEAR = 0.8
"""A claim whose cosine with its evidence is higher says the same, in other words."""
FAR = 0.4
"""A claim whose cosine with all that it cites is lower is not said there."""
MAX_SENTENCES = 200
"""How many sentences of the cited passages are compared with the claims of an answer."""


async def settle(
    claims: Sequence[Claim], citations: Sequence[Citation], passages: Sequence[Passage], embedder: Embedder
) -> list[Claim]:
    """
    Give *claims*, those unchecked compared with the sentences of what they cite, all of an answer in one batch.

    Cosines are counted from what unrelated texts have (`EmbedderInfo.unrelated`). What lies between `FAR` and `NEAR`
    stays unchecked. Raises what `Embedder.embed` raises.
    """
    open_claims = [claim for claim in claims if claim.verdict is Verdict.UNCHECKED]
    places = _places(open_claims, citations, passages)
    if not places:
        return list(claims)
    texts = list(dict.fromkeys([*(claim.text for claim in open_claims), *(plain(one.quote) for one in places)]))
    embedded = await embedder.embed(texts, Purpose.QUERY)
    vectors = {text: np.frombuffer(row, "<f4") for text, row in zip(texts, embedded.vectors, strict=True)}
    near = _Likeness(vectors, embedder.info.unrelated)
    return [_settled(claim, places, near) if claim.verdict is Verdict.UNCHECKED else claim for claim in claims]


def _places(claims: Sequence[Claim], citations: Sequence[Citation], passages: Sequence[Passage]) -> list[Evidence]:
    """Give the sentences of the passages that *claims* cite, each under the first marker that leads to it."""
    wanted = {marker for claim in claims for marker in claim.citations}
    by_chunk = {passage.chunk_id: passage for passage in passages}
    found: list[Evidence] = []
    for citation in citations:
        passage = by_chunk.get(citation.chunk_id)
        if passage is not None and citation.marker in wanted:
            found += _sentences(citation.marker, passage)
    return found[:MAX_SENTENCES]


def _sentences(marker: int, passage: Passage) -> list[Evidence]:
    return [
        Evidence(
            marker,
            passage.chunk_id,
            passage.document_id,
            passage.text[one.start : one.end],
            passage.start + one.start,
            passage.start + one.end,
        )
        for one in sentences(passage.text)
    ]


@dataclass(frozen=True, slots=True)
class _Likeness:
    vectors: Mapping[str, NDArray[np.float32]]
    unrelated: float

    def of(self, claim: Claim, place: Evidence) -> float:
        cosine = float(self.vectors[claim.text] @ self.vectors[plain(place.quote)])
        return (cosine - self.unrelated) / (1 - self.unrelated)


def _settled(claim: Claim, places: Sequence[Evidence], near: _Likeness) -> Claim:
    cited = [place for place in places if place.marker in claim.citations]
    if not cited:
        return claim
    best = max(cited, key=lambda place: near.of(claim, place))
    likeness = near.of(claim, best)
    if likeness < FAR:
        return replace(claim, verdict=Verdict.UNSUPPORTED, reason="not_in_source")
    # A place that denies the claim, or has other figures, is as near to it as one that says it.
    if likeness < NEAR or contradiction(claim.text, best.quote) is not None:
        return replace(claim, evidence=claim.evidence or (best,))
    return replace(claim, verdict=Verdict.SUPPORTED, evidence=(best,), reason="meaning")
