"""
QueryVectors: by vector, by text, or by both, fused by rank.

What AWS does not publish takes the form that suits us least: equal scores come in no order that means anything, BM25
counts what the whole index holds whatever the filter, and each leg of a hybrid search looks no deeper than topK.
Every language is analysed as the standard analyzer does: words in lower case.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.fakes.s3_vectors_account import Answer, Index, Params, paged
from tests.fakes.s3_vectors_entries import packed, shuffled
from tests.fakes.s3_vectors_filters import check_filter, passes
from tests.fakes.s3_vectors_requests import Refused, invalid
from tests.fakes.s3_vectors_rules import NEEDS_GET_VECTORS, QUERY_PAGE, RRF_CONSTANT, TOP_K, WORDS

K1, B = 1.2, 0.75
Scores = Mapping[str, float]


def query_vectors(index: Index, params: Params, *, may_get: bool = True) -> Answer:
    """QueryVectors; *may_get* says whether the caller may call GetVectors too."""
    _check(index, params, may_get)
    wanted = params.get("filter")
    permitted = [key for key, one in index.vectors.items() if wanted is None or passes(wanted, one.metadata)]
    texts = {one["metadataKey"]: _bm25(index, permitted, one) for one in params.get("queryTexts", ())}
    matching = {key: sum(scores.get(key, 0.0) for scores in texts.values()) for key in set().union(*texts.values())}
    distances = _distances(index, permitted, params) if "queryVector" in params else {}
    near = _best({key: -distance for key, distance in distances.items()}, params["topK"])
    lexical = _best(matching, params["topK"])
    order, fused = _order(near, lexical)
    page, token = paged(order[: params["topK"]], params | {"maxResults": QUERY_PAGE.limit}, QUERY_PAGE.limit)
    reached = set(near)
    found = [_result(index, key, params, distances.get(key) if key in reached else None, texts, fused) for key in page]
    return {"vectors": found, "distanceMetric": index.made["distanceMetric"]} | token


def _check(index: Index, params: Params, may_get: bool) -> None:
    if params["topK"] > TOP_K.limit:
        raise invalid(TOP_K.beyond)
    if "queryVector" not in params and "queryTexts" not in params:
        raise invalid("a request needs queryVector, queryTexts, or both")
    if not may_get and ("queryTexts" in params or "filter" in params or params.get("returnMetadata")):
        raise Refused("AccessDeniedException", NEEDS_GET_VECTORS)
    keys = [one["metadataKey"] for one in params.get("queryTexts", ())]
    if keys and not index.enhanced:
        raise invalid(WORDS["text needs ENHANCED"].beyond)
    if len(set(keys)) != len(keys) or not set(keys) <= set(index.searchable):
        raise invalid("each text must name another key that is searchable")
    if index.enhanced and params.get("queryMode") == "CLASSIC":
        raise invalid("an ENHANCED index cannot be queried as CLASSIC")
    if "filter" in params:
        check_filter(params["filter"], enhanced=index.enhanced, non_filterable=index.non_filterable)


def _distances(index: Index, permitted: Sequence[str], params: Params) -> Scores:
    asked = packed(params["queryVector"], index).astype(np.float64)
    if not permitted:
        return {}
    rows = np.stack([index.vectors[key].data for key in permitted]).astype(np.float64)
    if index.made["distanceMetric"] == "euclidean":
        distances = np.linalg.norm(rows - asked, axis=1)
    else:
        distances = 1 - rows @ asked / (np.linalg.norm(rows, axis=1) * np.linalg.norm(asked))
    return dict(zip(permitted, distances.astype(np.float32).tolist(), strict=True))


def _bm25(index: Index, permitted: Sequence[str], asked: Params) -> Scores:
    """Score by BM25 in Lucene's form; the statistics are those of all vectors that have the key."""
    key = asked["metadataKey"]
    held = {name: Counter(_tokens(one.metadata[key])) for name, one in index.vectors.items() if key in one.metadata}
    mean = sum(counts.total() for counts in held.values()) / max(1, len(held))
    scores: dict[str, float] = {}
    for token, times in Counter(_tokens(asked["text"])).items():
        with_token = sum(token in counts for counts in held.values())
        weight = times * math.log(1 + (len(held) - with_token + 0.5) / (with_token + 0.5))
        for name in permitted:
            often = held[name][token] if name in held else 0
            if often:
                norm = K1 * (1 - B + B * held[name].total() / mean)
                scores[name] = scores.get(name, 0.0) + weight * often / (often + norm)
    return scores


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _best(scores: Scores, top_k: int) -> list[str]:
    return sorted(scores, key=lambda key: (-scores[key], shuffled(key)))[:top_k]


def _order(near: Sequence[str], lexical: Sequence[str]) -> tuple[list[str], Scores]:
    """Give the keys in the order of the answer, and what reciprocal rank fusion gave them."""
    fused: dict[str, float] = {}
    for ranking in (near, lexical):
        for rank, key in enumerate(ranking, 1):
            fused[key] = fused.get(key, 0.0) + 1 / (RRF_CONSTANT + rank)
    return _best(fused, len(fused)), fused


def _result(
    index: Index, key: str, params: Params, distance: float | None, texts: Mapping[str, Scores], fused: Scores
) -> Answer:
    answer: dict[str, Any] = {"key": key}
    if params.get("returnMetadata"):
        answer["metadata"] = index.vectors[key].metadata
    if params.get("returnDistance") and distance is not None:
        answer["distance"] = distance
    if params.get("returnScores") and texts:
        matched = [{"metadataKey": name, "score": one[key]} for name, one in texts.items() if key in one]
        answer["scores"] = {"bm25Scores": matched}
        if "queryVector" in params:
            answer["scores"]["fused"] = fused[key]
            answer["scores"] |= {} if distance is None else {"vectorDistance": distance}
    return answer
