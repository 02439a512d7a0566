"""A chat's stream on the wire, as OpenAI's API has it: chunks as server-sent events, then one end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from chalicelib.contracts.gateway import ChatChunk

DONE = b"data: [DONE]\n\n"

_DONE = b"[DONE]"
_ERROR = b'{"error":'


@dataclass(frozen=True, slots=True)
class ChatEnd:
    """The end of a stream; *problem* says why it is not the end of the answer."""

    problem: Mapping[str, Any] | None = None


def is_end(event: ChatChunk | ChatEnd) -> bool:
    """Say whether *event* ends a stream."""
    return isinstance(event, ChatEnd)


def encode_chunk(chunk: BaseModel) -> bytes:
    """Give the bytes of one chunk."""
    return f"data: {chunk.model_dump_json()}\n\n".encode()


def encode_error(problem: Mapping[str, Any]) -> bytes:
    """Give the bytes of the one event that ends a stream that failed."""
    data = json.dumps({"error": openai_error(problem), **problem}, separators=(",", ":"))
    return f"data: {data}\n\n".encode()


def openai_error(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Give *problem* as clients of OpenAI's API look for it, under ``error``."""
    kind = problem.get("reason") or problem["code"]
    return {"message": problem["detail"], "type": kind, "param": _param(problem), "code": problem["code"]}


def _param(problem: Mapping[str, Any]) -> str | None:
    """Give the first place that is at fault, such as ``messages[2].content``."""
    faults = problem.get("errors") or [{"loc": ()}]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in faults[0]["loc"])
    return place.removeprefix(".") or None


def decode_chunks(lines: Iterable[bytes]) -> Iterator[ChatChunk | ChatEnd]:
    """
    Give the chunks of a stream's *lines* and their end; comments are passed over.

    Raises pydantic's `ValidationError` for data that are neither chunk nor end.
    """
    for line in lines:
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if name != b"data":
            continue
        data = value.strip()
        if data == _DONE:
            yield ChatEnd()
        elif data.startswith(_ERROR):
            yield ChatEnd(json.loads(data))
        else:
            yield ChatChunk.model_validate_json(data)
