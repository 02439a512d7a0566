"""Both legs of a query to S3 Vectors: what to ask for, and hits with a rank in each from what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.metadata import TEXT_KEY
from chalicelib.ports.vectors import MAX_TOP_K, Hit, VectorQuery
from fargate.adapters.lexical_analysis import QueryTerm
from fargate.adapters.s3_vectors_entries import metadata_of
from fargate.adapters.s3_vectors_texts import matched, question, terms_of
from fargate.adapters.vector_checks import unpacked

RRF_CONSTANT = 60
"""Of the service's reciprocal rank fusion, at most: AWS does not publish it, this is that of the paper."""


def searches(query: VectorQuery, terms: Sequence[QueryTerm] | None) -> list[dict[str, Any]]:
    """
    Give what to ask for: both legs at once where that brings the best of each for certain.

    The service fuses by reciprocal rank and cuts the one list. Of n results, whatever has a rank up to n / 2 - k / 2 in
    either leg is among them, k being the constant of the fusion: all else would score less than what is.
    """
    vector = {"queryVector": {"float32": unpacked(query.vector).tolist()}} if query.vector is not None else {}
    words = question(terms or ())
    text = {"queryTexts": [{"text": words, "metadataKey": TEXT_KEY}], "returnScores": True} if words else {}
    of_each = {"topK": query.top_k}
    both = 2 * query.top_k + RRF_CONSTANT
    if vector and text and both <= MAX_TOP_K:
        return [vector | text | {"topK": both}]
    return [leg | of_each for leg in (vector | {"returnDistance": True} if vector else {}, text) if leg]


@dataclass
class Found:
    """What was found, by key: *metadata* as stored, and the scores that each leg gave."""

    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    similarity: dict[str, float] = field(default_factory=dict)
    bm25: dict[str, float] = field(default_factory=dict)

    def add(self, vectors: Iterable[Mapping[str, Any]]) -> None:
        """Add a page of an answer."""
        for one in vectors:
            key, scores = one["key"], one.get("scores", {})
            distance = one.get("distance", scores.get("vectorDistance"))
            self.metadata.setdefault(key, one.get("metadata", {}))
            if distance is not None:
                self.similarity[key] = min(1.0, max(-1.0, 1 - distance))
            for score in scores.get("bm25Scores", ()):
                if score["metadataKey"] == TEXT_KEY and score["score"] > 0:
                    self.bm25[key] = score["score"]


def hits_of(found: Found, top_k: int, terms: Sequence[QueryTerm] | None) -> list[Hit]:
    """Give the union of the *top_k* best of each leg; *terms* are those of the question, None without a text."""
    dense, lexical = _ranks(found.similarity, top_k), _ranks(found.bm25, top_k)
    hits = []
    for key in dense | lexical:
        stored = found.metadata[key]
        words = matched(terms, terms_of(stored.get(TEXT_KEY, ""))) if terms else []
        hits.append(
            Hit(
                key,
                metadata_of(stored),
                dense.get(key),
                found.similarity.get(key),
                lexical.get(key),
                None if terms is None else found.bm25.get(key, None if words else 0.0),
                words,
            )
        )
    return hits


def _ranks(scores: Mapping[str, float], top_k: int) -> dict[str, int]:
    best = sorted(scores, key=lambda key: (-scores[key], key))[:top_k]
    return {key: rank for rank, key in enumerate(best, 1)}
