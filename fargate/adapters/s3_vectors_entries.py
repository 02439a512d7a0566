"""Records as S3 Vectors keeps them, and in parts that fit into a request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.documents import Metadata
from chalicelib.domain.metadata import TEXT_KEY
from chalicelib.errors import InvalidRequest
from chalicelib.ports.vectors import VectorRecord
from fargate.adapters.lexical_analysis import Analysers
from fargate.adapters.s3_vectors_texts import searchable, text_of
from fargate.adapters.vector_checks import packed, unpacked

MAX_METADATA_BYTES = 40 * 1024
MAX_PAYLOAD_BYTES = 19 * 1024 * 1024
"""Of one request; the service takes 20 MiB."""
_BYTES_PER_NUMBER = 26

_FRAME = 64

Entry = dict[str, Any]


def entry_of(record: VectorRecord, language: str, analysers: Analysers) -> Entry:
    """Give what is put for *record*, in an index of *language*. Raises `InvalidRequest` for too long a text."""
    analyser = analysers.of(record.language or language)
    metadata = {**record.metadata, TEXT_KEY: searchable(record.text, record.language, analyser)}
    if (size := _size(metadata)) > MAX_METADATA_BYTES:
        raise InvalidRequest(
            f"the text of {record.key!r} comes to {size} bytes with its terms and metadata; S3 Vectors takes "
            f"{MAX_METADATA_BYTES}: make smaller chunks"
        )
    return {"key": record.key, "data": {"float32": unpacked(record.vector).tolist()}, "metadata": metadata}


def record_of(found: Mapping[str, Any]) -> VectorRecord:
    """Give back the record that `entry_of` made *found* from."""
    text, language = text_of(found["metadata"][TEXT_KEY])
    return VectorRecord(found["key"], packed(found["data"]["float32"]), text, metadata_of(found["metadata"]), language)


def metadata_of(stored: Mapping[str, Any]) -> Metadata:
    """Give what was put as metadata."""
    return {key: value for key, value in stored.items() if key != TEXT_KEY}


def in_parts(entries: Sequence[Entry], max_bytes: int = MAX_PAYLOAD_BYTES) -> Iterator[Sequence[Entry]]:
    """Give *entries* in as few parts as stay within *max_bytes* of a request's payload."""
    part: list[Entry] = []
    room = max_bytes
    for entry in entries:
        described = {"key": entry["key"], "metadata": entry["metadata"]}
        size = len(entry["data"]["float32"]) * _BYTES_PER_NUMBER + len(json.dumps(described)) + _FRAME
        if part and size > room:
            yield part
            part, room = [], max_bytes
        part.append(entry)
        room -= size
    if part:
        yield part


def _size(metadata: Mapping[str, Any]) -> int:
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
