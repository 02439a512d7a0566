"""Answer events on the wire: server-sent events, whose data is the whole event as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, TypeAdapter

from chalicelib.contracts.asking import (
    AnswerEvent,
    CitationsEvent,
    ClaimsEvent,
    DoneEvent,
    ErrorEvent,
    PassagesEvent,
    RunEvent,
    TokenEvent,
)

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": heartbeat\n\n"
HEARTBEAT_S = 15.0

_NAMES = {
    kind.model_fields["event"].default
    for kind in (RunEvent, PassagesEvent, TokenEvent, CitationsEvent, ClaimsEvent, DoneEvent, ErrorEvent)
}
_EVENT: TypeAdapter[AnswerEvent] = TypeAdapter(Annotated[AnswerEvent, Field(discriminator="event")])


def is_last(event: AnswerEvent) -> bool:
    """Say whether *event* is one that ends a stream."""
    return isinstance(event, DoneEvent | ErrorEvent)


def encode(event: AnswerEvent) -> bytes:
    """Give the bytes of one event."""
    return f"event: {event.event}\ndata: {event.model_dump_json()}\n\n".encode()


def decode(lines: Iterable[bytes]) -> Iterator[AnswerEvent]:
    """
    Give the events of a stream's *lines*; comments, and events of a name not known here, are passed over.

    WHATWG HTML, section 9.2.6 "Interpreting an event stream", without ``id`` and ``retry``. Raises pydantic's
    `ValidationError` where the data is not what the name promises.
    """
    name, data = "", list[bytes]()
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        field, _, value = line.partition(b":")
        if not line:
            if name in _NAMES and data:
                yield _EVENT.validate_json(b"\n".join(data))
            name, data = "", []
        elif field == b"event":
            name = value.removeprefix(b" ").decode(errors="replace")
        elif field == b"data":
            data.append(value.removeprefix(b" "))
