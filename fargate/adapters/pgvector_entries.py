"""Records as rows of PostgreSQL, and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from chalicelib.ports.vectors import VectorRecord
from fargate.adapters.lexical_analysis import Analysers, analysed_as
from fargate.adapters.pgvector_filters import fields_of
from fargate.adapters.vector_checks import packed, unpacked


def row_of(record: VectorRecord, tenant: str, language: str, analysers: Analysers) -> dict[str, Any]:
    """Give the row of *record* in an index of *language*."""
    own = record.language or language
    counted = list(analysers.of(own).analyse(record.text).counted())
    return {
        "key": encoded(record.key),
        "tenant": tenant,
        "vector": json.dumps(unpacked(record.vector).tolist()),
        "text": encoded(record.text),
        "language": record.language,
        "analysed_as": analysed_as(own),
        "metadata": json.dumps(record.metadata),
        "fields": fields_of(record.metadata),
        "terms": _array(term for term, _ in counted),
        "times": _array(times for _, times in counted),
        "length": sum(times for _, times in counted),
    }


def record_of(row: Sequence[Any]) -> VectorRecord:
    """Give back the record from what `pgvector_statements.GET` gives."""
    key, vector, text, metadata, language = row
    return VectorRecord(key.decode(), packed(json.loads(vector)), text.decode(), metadata, language)


def encoded(text: str) -> str:
    """Give *text* in base 64: no text of PostgreSQL's can hold a NUL."""
    return base64.b64encode(text.encode()).decode()


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
