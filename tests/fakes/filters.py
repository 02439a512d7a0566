"""Hypothesis strategies for metadata and for filters on it; few keys and values, so that they meet."""

from __future__ import annotations

from typing import cast

from hypothesis import strategies as st
from pydantic import JsonValue

from chalicelib.domain.documents import MetadataValue

KEYS = st.sampled_from(["team", "year", "draft", "tags"])
STRINGS = st.sampled_from(["", "hr", "hrm", "it", "1", "true", "Ärger", "日本"])
NUMBERS = st.sampled_from([0, -0.0, 1, 1.0, 2025, 2025.5, -3, 2**53 - 1, 1e300])
SCALARS = st.one_of(STRINGS, NUMBERS, st.booleans())
VALUES: st.SearchStrategy[MetadataValue] = st.one_of(SCALARS, st.lists(STRINGS, max_size=3))
METADATA = st.dictionaries(KEYS, VALUES, max_size=4)

_operators = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), SCALARS),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBERS),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, min_size=1, max_size=3)),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.just("$startsWith"), STRINGS.filter(bool)),
)
_conditions = st.one_of(SCALARS, st.lists(_operators, min_size=1, max_size=2).map(dict))
_leaves = st.dictionaries(KEYS, _conditions, min_size=1, max_size=2)
RAW_FILTERS: st.SearchStrategy[dict[str, JsonValue]] = st.recursive(
    _leaves,
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=5,
).map(lambda raw: cast("dict[str, JsonValue]", raw))
