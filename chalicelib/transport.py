"""HTTP to the platform's own APIs, over one pool of connections: problems come back as the errors they were."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Generic, TypeVar

import urllib3
from pydantic import BaseModel, ValidationError
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from chalicelib.contracts.asking import AnswerEvent
from chalicelib.contracts.events import HEARTBEAT_S, decode, is_last
from chalicelib.errors import BadUpstream, DeadlineExceeded, RagError, Unavailable, from_problem

CONNECT_TIMEOUT_S = 1.0
SILENCE_S = 3 * HEARTBEAT_S
"""A stream that says nothing for so long has lost its other end."""

_PROBLEM = "application/problem+json"

ModelT = TypeVar("ModelT", bound=BaseModel)
EventT = TypeVar("EventT")
Body = bytes | IO[bytes] | Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """One request; *body* of a model is sent as JSON with the fields that were set."""

    method: str
    path: str
    body: Body | BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def failed(self) -> bool:
        """Whether it says that the call failed."""
        return self.status >= HTTPStatus.BAD_REQUEST

    def error(self) -> RagError:
        """Rebuild the error it carries; anything but a problem is a `BadUpstream`."""
        return _error(self.status, self.headers, self.data)

    def model(self, kind: type[ModelT]) -> ModelT:
        """Read it as *kind*. Raises `BadUpstream` where it is something else."""
        try:
            return kind.model_validate_json(self.data)
        except ValidationError as error:
            raise BadUpstream(f"The answer with status {self.status} is not a valid {kind.__name__}.") from error


@dataclass(frozen=True, slots=True)
class EventFormat(Generic[EventT]):
    """How a stream's lines become events, and which event is its last; *decode* raises `ValidationError`."""

    decode: Callable[[Iterable[bytes]], Iterator[EventT]]
    is_last: Callable[[EventT], bool]


ANSWERS: EventFormat[AnswerEvent] = EventFormat(decode, is_last)


class Transport:
    """
    Speaks to one base URL. Safe from any thread, and it retries nothing: callers know what may be repeated.

    Raises `Unavailable` when nobody answers there, `DeadlineExceeded` when the answer does not come in time.
    """

    def __init__(self, base_url: str, *, connections: int = 32, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self.base_url = base_url.rstrip("/")
        self._connect_timeout_s = connect_timeout_s
        self._pool = urllib3.PoolManager(maxsize=connections, block=False, retries=False)

    def call(self, call: Call) -> Reply:
        """Send a request and read the whole response, whatever its status."""
        response = self._open(call, total_s=call.timeout_s)
        try:
            data = response.read(decode_content=True)
        except HTTPError as error:
            raise _failure(self.base_url, error) from error
        return Reply(response.status, response.headers, data)

    def stream(self, call: Call) -> EventStream[AnswerEvent]:
        """Send a question and give the events of its answer as they come. See `events`."""
        return self.events(call, ANSWERS)

    def events(self, call: Call, events: EventFormat[EventT]) -> EventStream[EventT]:
        """Send a request and give its events as they come. Raises the error of a response that failed."""
        response = self._open(call, total_s=None)
        if response.status >= HTTPStatus.BAD_REQUEST:
            data = response.read(decode_content=True)
            raise _error(response.status, response.headers, data)
        return EventStream(response, self.base_url, events)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _open(self, call: Call, *, total_s: float | None) -> BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=self._connect_timeout_s, read=total_s or SILENCE_S, total=total_s)
        body, headers = call.body, dict(call.headers)
        if isinstance(body, BaseModel):
            body = body.model_dump_json(exclude_unset=True).encode()
            headers["Content-Type"] = "application/json"
        url = call.path if call.path.startswith(("http://", "https://")) else self.base_url + call.path
        try:
            return self._pool.request(
                call.method, url, body=body, headers=headers, timeout=timeout, preload_content=False, redirect=False
            )
        except HTTPError as error:
            raise _failure(self.base_url, error) from error


class EventStream(Generic[EventT]):
    """
    The events of a response that is still being received.

    Iterating raises `BadUpstream` when it breaks off without a last event, `DeadlineExceeded` when it falls silent.
    Closing it, from any thread, ends a read that is waiting.
    """

    def __init__(self, response: BaseHTTPResponse, base_url: str, events: EventFormat[EventT]) -> None:
        self._response = response
        self._format = events
        self._base_url = base_url
        self._closed = False
        self._events = self._checked()

    def __iter__(self) -> Iterator[EventT]:
        """Give itself."""
        return self

    def __next__(self) -> EventT:
        """Wait for the next event."""
        return next(self._events)

    def __enter__(self) -> EventStream[EventT]:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._closed = True
        # Closing alone would wait for a reader in another thread; whatever is gone already cannot be shut down.
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()
        self._response.close()

    def _checked(self) -> Iterator[EventT]:
        ended = False
        try:
            for event in self._format.decode(self._lines()):
                ended = ended or self._format.is_last(event)
                yield event
        except ValidationError as error:
            raise BadUpstream(f"{self._base_url} sent an event that is not valid.") from error
        if not ended and not self._closed:
            raise BadUpstream(f"{self._base_url} broke the answer off; ask again.")

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while piece := self._piece():
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines

    def _piece(self) -> bytes:
        try:
            return self._response.read1()
        except (HTTPError, OSError, ValueError) as error:
            if self._closed:
                return b""
            if isinstance(error, ReadTimeoutError):
                raise _failure(self._base_url, error) from error
            raise BadUpstream(f"{self._base_url} broke the answer off; ask again.") from error


def _error(status: int, headers: Mapping[str, str], data: bytes) -> RagError:
    if headers.get("Content-Type", "").partition(";")[0] == _PROBLEM:
        with contextlib.suppress(ValueError):
            problem = json.loads(data)
            if isinstance(problem, dict):
                return from_problem(problem, status)
    return BadUpstream(f"HTTP status {status} without a problem that says why.")


def _failure(base_url: str, error: HTTPError) -> RagError:
    if isinstance(error, ReadTimeoutError):
        return DeadlineExceeded(f"{base_url} did not answer in time.")
    return Unavailable(f"{base_url} cannot be reached ({type(error).__name__}).")
