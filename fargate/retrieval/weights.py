"""How much the dense leg counts for one question: told by how far both legs agree, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from chalicelib.ports.vectors import Hit

FLOOR = 0.3
CEILING = 0.7
FULL_AGREEMENT = 1 / 3
LOOKED_AT = 10
"""How many of the dense leg's best are asked what the lexical leg says of them."""


@dataclass(frozen=True, slots=True)
class DenseWeight:
    """The *share* of the dense leg, the rest being the lexical leg's, and the *reason* for it in words."""

    share: float
    reason: str


def by_agreement(hits: Sequence[Hit], *, floor: float = FLOOR, ceiling: float = CEILING) -> DenseWeight:
    """
    Give from *floor*, where the legs do not agree, to *ceiling* where they do: at `FULL_AGREEMENT` and above.

    The agreement is the mean BM25 of the dense leg's ten best as a share of the highest BM25. Where an embedder cannot
    read a language its best hits hold none of the question's words (.04 on Arabic with an English model, .45 to .60 on
    every other set measured); then the cosines are mostly noise, and *floor* keeps them from outvoting the words.
    That the agreement of several scorings tells how well they serve a question: Aslam and Pavlu, ECIR 2007. The form
    and both numbers are ours, chosen by leaving one set out (docs/evaluation.md). A leg without hits has no weight.
    """
    best = _dense_best(hits)
    if not best:
        return DenseWeight(0.0, "the dense leg found nothing")
    shared = _agreement(hits, best)
    if shared is None:
        return DenseWeight(1.0, "no term of the question occurs")
    share = floor + (ceiling - floor) * min(1.0, shared / FULL_AGREEMENT)
    return DenseWeight(share, f"the dense leg's best hold {shared:.2f} of the highest BM25")


def by_shared_ranks(hits: Sequence[Hit]) -> DenseWeight:
    """
    Give a weight for reciprocal ranks where no scores are known: ``0.1 + 0.6 × shared``.

    *shared* is how many of the dense leg's ten best the lexical leg brought too. Ranks say less than scores do: this
    keeps a leg that finds nothing from costing all, but stays below what scores give.
    """
    best = _dense_best(hits)
    if not best or all(hit.lexical_rank is None for hit in hits):
        return DenseWeight(1.0 if best else 0.0, "only one leg found anything")
    shared = fmean(hit.lexical_rank is not None for hit in best)
    return DenseWeight(0.1 + 0.6 * shared, f"both legs brought {shared:.2f} of the dense leg's best; only ranks known")


def _agreement(hits: Sequence[Hit], best: Sequence[Hit]) -> float | None:
    """Give it from 0 to 1, None where no term occurs. A BM25 that the store does not tell is half the lowest known."""
    known = [hit.lexical_score for hit in hits if hit.lexical_score]
    if not known:
        return None
    unknown = min(known) / 2
    scores = [unknown if hit.lexical_score is None else hit.lexical_score for hit in best]
    return fmean(scores) / max(known)


def _dense_best(hits: Sequence[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.dense_rank is not None and hit.dense_rank <= LOOKED_AT]
