"""Event streams end once, live while both ends do, and lose nothing on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse

from chalicelib.contracts.asking import AnswerEvent, DoneEvent, ErrorEvent, RunEvent, TokenEvent
from chalicelib.contracts.events import HEARTBEAT, decode, encode
from chalicelib.errors import NotFound, RagError, Unavailable
from chalicelib.observability.spans import span
from chalicelib.transport import Call, Transport
from fargate.http import problems
from fargate.http.sse import ANSWER_EVENTS, event_stream
from tests.fakes.answers import answer
from tests.fakes.serving import serving

Source = Callable[[], AsyncIterator[AnswerEvent]]
RUN = RunEvent(run_id="run_1", release="rel_1")
DONE = DoneEvent(answer=answer())


@contextmanager
def streaming(source: Source, heartbeat_s: float = 15.0) -> Iterator[Transport]:
    """Serve *source* at ``/stream``."""
    router = APIRouter()

    @router.post("/stream")
    async def stream() -> StreamingResponse:
        return await event_stream(source(), ANSWER_EVENTS, heartbeat_s=heartbeat_s)

    app = FastAPI()
    app.include_router(router)
    problems.install(app)
    with serving(app) as url:
        transport = Transport(url)
        yield transport
        transport.close()


def received(source: Source) -> list[AnswerEvent]:
    """Give what a client receives of *source*."""
    with streaming(source) as transport, transport.stream(Call("POST", "/stream")) as events:
        return list(events)


def test_events_arrive_as_they_were_sent() -> None:
    """Whatever the text holds: line ends, separators, other scripts."""
    sent: list[AnswerEvent] = [RUN, TokenEvent(text="a\n\ndata: x\r\n"), TokenEvent(text="\u2028 ünï 🙂"), DONE]

    async def source() -> AsyncIterator[AnswerEvent]:
        for event in sent:
            yield event

    assert received(source) == sent


def test_the_first_event_does_not_wait_for_the_second() -> None:
    """The client holds it while the source is still at work."""
    go_on = threading.Event()

    async def source() -> AsyncIterator[AnswerEvent]:
        yield RUN
        await asyncio.to_thread(go_on.wait, 5)
        yield DONE

    with streaming(source) as transport, transport.stream(Call("POST", "/stream")) as events:
        assert next(events) == RUN
        go_on.set()
        assert list(events) == [DONE]


def test_an_error_before_the_first_event_has_its_own_status() -> None:
    """Nothing has been sent yet, so it is answered as any request's error."""

    async def source() -> AsyncIterator[AnswerEvent]:
        for _ in range(1):
            raise NotFound("There is no index 'a'.")
        yield RUN

    with pytest.raises(NotFound, match="There is no index 'a'"):
        received(source)


@pytest.mark.parametrize(
    ("failure", "code"),
    [(Unavailable("Gone."), "unavailable"), (RuntimeError("canary"), "internal"), (None, "internal")],
)
def test_a_source_that_breaks_off_still_ends_once(failure: Exception | None, code: str) -> None:
    """The client gets one error event, and never the words of an unforeseen error."""

    async def source() -> AsyncIterator[AnswerEvent]:
        yield RUN
        if failure is not None:
            raise failure

    first, last = received(source)
    assert first == RUN
    assert isinstance(last, ErrorEvent)
    assert last.problem["code"] == code
    assert "canary" not in str(last.problem)


@pytest.mark.parametrize("failure", [None, RagError("late")])
def test_nothing_follows_the_last_event(failure: Exception | None) -> None:
    """A source that goes on, or fails, after `done` has nobody to tell."""

    async def source() -> AsyncIterator[AnswerEvent]:
        yield DONE
        yield TokenEvent(text="late")
        if failure is not None:
            raise failure

    assert received(source) == [DONE]


def test_the_source_is_cancelled_when_the_client_goes_away() -> None:
    """It gets to clean up, whatever it is waiting for."""
    cleaned = threading.Event()

    async def source() -> AsyncIterator[AnswerEvent]:
        try:
            yield RUN
            await asyncio.sleep(3_600)
        finally:
            cleaned.set()

    with streaming(source) as transport:
        events = transport.stream(Call("POST", "/stream"))
        assert next(events) == RUN
        events.close()
        assert cleaned.wait(5)


def test_silence_is_filled_with_comments() -> None:
    """A heartbeat comes as often as asked, and a client passes over it."""

    async def source() -> AsyncIterator[AnswerEvent]:
        yield RUN
        await asyncio.sleep(0.05)
        yield DONE

    async def pieces() -> list[bytes]:
        response = await event_stream(source(), ANSWER_EVENTS, heartbeat_s=0.01)
        return [bytes(piece) async for piece in response.body_iterator if isinstance(piece, bytes)]

    sent = asyncio.run(pieces())
    assert sent.count(HEARTBEAT) >= 2
    assert list(decode(b"".join(sent).splitlines(keepends=True))) == [RUN, DONE]


def test_a_source_runs_in_one_context() -> None:
    """A span that is open across events closes where it was opened."""

    async def source() -> AsyncIterator[AnswerEvent]:
        with span("generation.answer"):
            yield RUN
            yield DONE

    assert received(source) == [RUN, DONE]


def test_unknown_events_and_fields_are_passed_over() -> None:
    """An older client reads a newer server."""
    wire = b"event: news\ndata: {}\n\nid: 7\nretry: 1\n" + encode(RUN) + b"data: {}\n\n"
    assert list(decode(wire.splitlines(keepends=True))) == [RUN]
