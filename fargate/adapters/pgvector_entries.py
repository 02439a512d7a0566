"""Records as rows of PostgreSQL, and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from chalicelib.ports.vectors import VectorRecord
from fargate.adapters.lexical_analysis import AnalysedText, Analysers, analysed_as, written
from fargate.adapters.pgvector_filters import fields_of
from fargate.adapters.vector_checks import packed, unpacked

MAX_TIMES = 255
"""A term of a tsvector has so many places at most, by which we count it."""


def row_of(record: VectorRecord, tenant: str, language: str, analysers: Analysers) -> dict[str, Any]:
    """Give the row of *record* in an index of *language*."""
    own = record.language or language
    analysed = analysers.of(own).analyse(record.text)
    return {
        "key": encoded(record.key),
        "tenant": tenant,
        "vector": json.dumps(unpacked(record.vector).tolist()),
        "text": encoded(record.text),
        "language": record.language,
        "analysed_as": analysed_as(own),
        "metadata": json.dumps(record.metadata),
        "fields": fields_of(record.metadata),
        "terms": " ".join(_placed(analysed)),
        "length": sum(times for _, times in analysed.counted()),
    }


def record_of(row: Sequence[Any]) -> VectorRecord:
    """Give back the record from what `pgvector_statements.GET` gives."""
    key, vector, text, metadata, language = row
    return VectorRecord(key.decode(), packed(json.loads(vector)), text.decode(), metadata, language)


def encoded(text: str) -> str:
    """Give *text* in base 64: no text of PostgreSQL's can hold a NUL."""
    return base64.b64encode(text.encode()).decode()


def _placed(analysed: AnalysedText) -> list[str]:
    """Give each term with as many places as it occurs times; which ones these are means nothing."""
    counts = ((written(term), min(times, MAX_TIMES)) for term, times in analysed.counted())
    return [f"'{term}':{','.join(map(str, range(1, times + 1)))}" for term, times in counts]
