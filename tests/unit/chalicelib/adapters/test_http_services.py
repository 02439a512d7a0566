"""What can go wrong between two services, and what their caller sees of it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chalicelib.adapters.http_services import HttpGenerator, HttpIngestor, HttpRetriever, Upstream
from chalicelib.contracts.asking import AnswerEvent, QueryRequest, RunEvent, SearchRequest
from chalicelib.contracts.events import HEARTBEAT, encode
from chalicelib.contracts.identity import HEADER
from chalicelib.domain.identifiers import DocumentId
from chalicelib.errors import BadUpstream, DeadlineExceeded, NotFound, RagError, Unauthenticated, Unavailable
from chalicelib.observability import spans
from chalicelib.observability.spans import LocalSpans, span
from tests.fakes.identities import principal
from tests.fakes.serving import serving

SEARCH = SearchRequest(question="q", release="rel_1", top_k=1)
RUN = encode(RunEvent(run_id="run_1", release="rel_1"))


@dataclass
class Answering:
    """A server that answers every request with *response*, and keeps what it was sent."""

    response: Callable[[], Response] = field(default=lambda: Response())
    seen: list[Request] = field(default_factory=list)

    def app(self) -> Starlette:
        """Give the ASGI app."""

        async def answer(request: Request) -> Response:
            await request.body()
            self.seen.append(request)
            return self.response()

        return Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST", "DELETE"])])


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Answering]]:
    answering = Answering()
    with serving(answering.app()) as url:
        yield url, answering


@pytest.fixture
def there(server: tuple[str, Answering]) -> Answering:
    """Give the other side."""
    server[1].seen.clear()
    return server[1]


@pytest.fixture
def upstream(server: tuple[str, Answering]) -> Iterator[Upstream]:
    with closing(Upstream(server[0], lambda: "the service's own", deadline_s=2)) as upstream:
        yield upstream


def search(upstream: Upstream) -> object:
    """Ask for passages."""
    return asyncio.run(HttpRetriever(upstream).search(principal(), SEARCH))


def stream(upstream: Upstream) -> AsyncGenerator[AnswerEvent]:
    """Ask for an answer in events."""
    return HttpGenerator(upstream).stream(principal(), QueryRequest(question="q"))


async def collected(upstream: Upstream) -> list[AnswerEvent]:
    """Give all events."""
    return [event async for event in stream(upstream)]


def test_nobody_there_is_unavailable() -> None:
    """At once, and by name."""
    with closing(Upstream("http://127.0.0.1:9", lambda: "")) as upstream:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
            search(upstream)
        with pytest.raises(Unavailable):
            asyncio.run(collected(upstream))


def test_an_answer_that_does_not_come_in_time_is_a_deadline() -> None:
    """Whether the other side is silent or talks without end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with closing(Upstream(url, lambda: "", deadline_s=0.1)) as upstream:
            started = time.perf_counter()
            with pytest.raises(DeadlineExceeded):
                search(upstream)
            assert time.perf_counter() - started < 5


def test_dribbling_does_not_stretch_the_deadline(server: tuple[str, Answering], there: Answering) -> None:
    """A byte now and then resets a socket's timeout, but not ours."""
    stop = threading.Event()

    async def dribble() -> AsyncGenerator[bytes]:
        while not stop.is_set():
            yield b" "
            await asyncio.sleep(0.02)

    there.response = lambda: StreamingResponse(dribble())
    with closing(Upstream(server[0], lambda: "", deadline_s=0.2)) as upstream:
        with pytest.raises(DeadlineExceeded):
            search(upstream)
        stop.set()


@pytest.mark.parametrize(
    "response",
    [
        lambda: Response("<html>502</html>", 502, media_type="text/html"),
        lambda: Response("not a problem", 404, media_type="application/problem+json"),
        lambda: JSONResponse({"detail": "Not Found"}, 404),
        lambda: Response("{", 200, media_type="application/json"),
        lambda: JSONResponse({"passages": "none"}),
        lambda: Response("", 302, {"Location": "http://elsewhere.example/"}),
    ],
)
def test_what_makes_no_sense_is_a_bad_upstream(
    upstream: Upstream, there: Answering, response: Callable[[], Response]
) -> None:
    """A foreign 404 is not our `NotFound`; a redirection would carry the token away and is not followed."""
    there.response = response
    with pytest.raises(BadUpstream):
        search(upstream)
    assert len(there.seen) == 1


@pytest.mark.parametrize("error", [NotFound("a"), Unavailable("b")])
def test_nothing_is_asked_twice(upstream: Upstream, there: Answering, error: RagError) -> None:
    """What failed may have happened."""
    there.response = lambda: JSONResponse(error.problem(), error.status, media_type="application/problem+json")
    with pytest.raises(type(error)):
        search(upstream)
    assert len(there.seen) == 1


def test_identity_and_trace_are_handed_on(upstream: Upstream, there: Answering) -> None:
    """The principal's own token goes with its calls, the service's with those without one; the span is the parent."""
    backend = LocalSpans()
    spans.configure(backend)
    there.response = lambda: JSONResponse({"passages": [], "timings_ms": {}, "items": []})
    ada = principal()

    async def scenario() -> str:
        trace_id = spans.start_trace()
        with span("edge.request"):
            await HttpRetriever(upstream).search(ada, SEARCH)
            await HttpRetriever(upstream).components()
        return trace_id

    try:
        trace_id = asyncio.run(scenario())
    finally:
        spans.configure(None)
    calls = [each for each in backend.trace(trace_id) if each.name == "upstream.call"]
    assert [request.headers[HEADER] for request in there.seen] == [ada.token, "the service's own"]
    for request, call in zip(there.seen, calls, strict=True):
        assert request.headers["X-Amzn-Trace-Id"] == f"Root={trace_id};Parent={call.span_id};Sampled=1"


def test_a_principal_without_a_token_asks_nothing(upstream: Upstream, there: Answering) -> None:
    """Nobody else's token is used in its place."""
    with pytest.raises(Unauthenticated):
        asyncio.run(HttpRetriever(upstream).search(replace(principal(), token=None), SEARCH))
    assert there.seen == []


def test_ids_cannot_lead_elsewhere(upstream: Upstream, there: Answering) -> None:
    """A part of a path stays a part."""
    there.response = lambda: Response(status_code=500)
    with pytest.raises(BadUpstream):
        asyncio.run(HttpIngestor(upstream).delete(principal(), DocumentId("../indexes/a?b")))
    assert there.seen[0].scope["raw_path"] == b"/ingestion/documents/..%2Findexes%2Fa%3Fb"


def test_a_stream_that_breaks_off_is_a_bad_upstream(upstream: Upstream, there: Answering) -> None:
    """Without a last event, something is missing; what came before it was given."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield RUN
        yield HEARTBEAT

    there.response = lambda: StreamingResponse(pieces())
    received: list[AnswerEvent] = []

    async def scenario() -> None:
        async for event in stream(upstream):
            received.append(event)  # noqa: PERF401  what came before the failure is to be seen

    with pytest.raises(BadUpstream, match="broke the answer off"):
        asyncio.run(scenario())
    assert [event.event for event in received] == ["run"]


@pytest.mark.parametrize("data", [b"{}", b"not json", b'{"event":"run"}'])
def test_an_event_off_the_contract_is_a_bad_upstream(upstream: Upstream, there: Answering, data: bytes) -> None:
    """Never a half-read event."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield b"event: run\ndata: " + data + b"\n\n"

    there.response = lambda: StreamingResponse(pieces())
    with pytest.raises(BadUpstream):
        asyncio.run(collected(upstream))


def test_a_cancelled_reader_lets_go_at_once(upstream: Upstream, there: Answering) -> None:
    """Though its thread is waiting for bytes that do not come; the other side sees it leave."""
    left = threading.Event()

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            yield RUN
            await asyncio.sleep(3_600)
        finally:
            left.set()

    there.response = lambda: StreamingResponse(pieces())

    async def scenario() -> None:
        events: Any = stream(upstream)
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(left.wait, 5)

    asyncio.run(scenario())
    assert left.is_set()


def test_waiting_streams_do_not_keep_calls_waiting(upstream: Upstream, there: Answering) -> None:
    """20 silent streams, more than the event loop has threads, leave room for a call."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield RUN
        await asyncio.sleep(3_600)

    async def scenario() -> None:
        there.response = lambda: StreamingResponse(pieces())
        streams: list[Any] = [stream(upstream) for _ in range(20)]
        await asyncio.gather(*(anext(events) for events in streams))
        waiting = [asyncio.create_task(anext(events)) for events in streams]
        await asyncio.sleep(0.02)
        there.response = lambda: JSONResponse({"passages": [], "timings_ms": {}})
        await HttpRetriever(upstream).search(principal(), SEARCH)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(scenario())
