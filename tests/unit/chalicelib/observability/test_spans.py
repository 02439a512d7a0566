"""Spans form the right tree whatever runs beside them."""

from __future__ import annotations

import asyncio
import re
import threading
import timeit
from collections.abc import AsyncIterator, Iterator

import pytest

from chalicelib.observability import spans
from chalicelib.observability.spans import LocalSpans, Span, span

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


@pytest.fixture(autouse=True)
def outside_of_traces() -> Iterator[None]:
    """Tests share one context, and an earlier one may have begun a trace in it."""
    before = spans._position.set(None)
    yield
    spans._position.reset(before)


@pytest.fixture
def recorded() -> Iterator[LocalSpans]:
    backend = LocalSpans()
    spans.configure(backend)
    yield backend
    spans.configure(None)


def tree(found: list[Span]) -> dict[str, str | None]:
    """Give the name of each span's parent."""
    names = {each.span_id: each.name for each in found}
    return {each.name: names.get(each.parent_id or "") for each in found}


async def work(number: int, ids: dict[int, str]) -> None:
    ids[number] = spans.start_trace()
    with span(f"request.{number}"):
        await asyncio.sleep(0)
        await asyncio.gather(stage(f"left.{number}"), stage(f"right.{number}"))


async def stage(name: str) -> None:
    with span(name, top_k=5) as here:
        await asyncio.sleep(0.001)
        await asyncio.to_thread(leaf, name)
        here.note(found=2)


def leaf(name: str) -> None:
    with span(f"leaf of {name}"):
        pass


def expected(number: int) -> dict[str, str | None]:
    left, right, request = f"left.{number}", f"right.{number}", f"request.{number}"
    return {request: None, left: request, right: request, f"leaf of {left}": left, f"leaf of {right}": right}


def test_sixty_concurrent_tasks_keep_their_own_trees(recorded: LocalSpans) -> None:
    """Each trace holds its five spans in its own tree, though all interleave."""
    ids: dict[int, str] = {}

    async def everything() -> None:
        await asyncio.gather(*(asyncio.create_task(work(number, ids)) for number in range(60)))

    asyncio.run(everything())
    assert len(set(ids.values())) == 60
    for number, trace_id in ids.items():
        assert tree(recorded.trace(trace_id)) == expected(number)


def test_threads_keep_their_own_trees(recorded: LocalSpans) -> None:
    """A thread of its own begins a trace of its own."""
    ids: dict[int, str] = {}
    threads = [threading.Thread(target=lambda n=number: asyncio.run(work(n, ids))) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, trace_id in ids.items():
        assert tree(recorded.trace(trace_id)) == expected(number)


def test_a_span_outside_of_a_trace_begins_one(recorded: LocalSpans) -> None:
    """Work that nobody asked for is traced too, and leaves no trace behind."""
    with span("sweep"):
        trace_id = spans.current_trace_id()
    assert trace_id is not None
    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", trace_id)
    assert [each.name for each in recorded.trace(trace_id)] == ["sweep"]
    assert spans.current_trace_id() is None


def test_a_failed_stage_says_how(recorded: LocalSpans) -> None:
    """The class of the exception is kept, its words are not."""
    with pytest.raises(ValueError, match="canary"), span("parse", pages=2) as here:  # noqa: PT012
        trace_id = spans.current_trace_id()
        here.note(blocks=7)
        raise ValueError("canary")
    (failed,) = recorded.trace(trace_id or "")
    assert (failed.error, failed.facts) == ("ValueError", {"pages": 2, "blocks": 7})
    assert failed.duration_ms >= 0
    assert "canary" not in repr(failed)


def test_a_trace_goes_on_from_its_header(recorded: LocalSpans) -> None:
    """Root, parent and the sampling decision of X-Ray's header are handed on."""

    async def request() -> tuple[str, str | None]:
        trace_id = spans.start_trace(HEADER)
        with span("inner"):
            return trace_id, spans.trace_header()

    trace_id, header = asyncio.run(request())
    (inner,) = recorded.trace(trace_id)
    assert trace_id == "1-5759e988-bd862e3fe1be46a994272793"
    assert inner.parent_id == "53995c3f42cd8ad8"
    assert header == f"Root={trace_id};Parent={inner.span_id};Sampled=0"


@pytest.mark.parametrize("header", [None, "", "Root=", "Root=1-zz-bd862e3fe1be46a994272793", "nonsense;;=", HEADER[5:]])
def test_a_malformed_header_begins_a_new_trace(header: str | None) -> None:
    """Nothing a client sends there can break a request or choose an id of another form."""

    async def request() -> str:
        return spans.start_trace(header)

    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", asyncio.run(request()))


def test_a_generator_closed_elsewhere_does_not_break(recorded: LocalSpans) -> None:
    """An async generator may be closed by a task other than the one that began it."""

    async def source() -> AsyncIterator[int]:
        with span("source"):
            yield 1
            yield 2

    async def scenario() -> None:
        stream = source()
        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await asyncio.create_task(stream.aclose())  # type: ignore[attr-defined]

    asyncio.run(scenario())


def test_old_spans_are_forgotten_and_the_sink_sees_all() -> None:
    """Memory is bounded; whoever wants more takes them as they end."""
    seen: list[Span] = []
    backend = LocalSpans(capacity=2, sink=seen.append)
    spans.configure(backend)
    try:
        for name in ("a", "b", "c"):
            with span(name):
                pass
    finally:
        spans.configure(None)
    assert [each.name for each in seen] == ["a", "b", "c"]
    assert [len(backend.trace(each.trace_id)) for each in seen] == [0, 1, 1]


def test_spans_cost_nearly_nothing_when_off() -> None:
    """Under 2 µs a span, so that every stage can have one."""

    def one() -> None:
        with span("retrieval.search", index="handbook", top_k=10):
            pass

    assert min(timeit.repeat(one, number=2_000, repeat=5)) / 2_000 < 2e-6


def test_a_caller_chooses_a_trace_but_no_place_in_it() -> None:
    """The stage above it is left out; a malformed header begins a new trace."""
    assert spans.from_outside(HEADER) == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=1", spans.from_outside("nonsense"))


def test_a_request_is_told_from_others_of_its_trace(recorded: LocalSpans) -> None:
    """From any of its stages: all below the first, and nothing of whoever uses the same trace."""

    def request(header: str, name: str) -> str | None:
        spans.start_trace(header)
        with span("edge.request", caller=name), span("retrieval.request"):
            inner = spans.current_span_id()
            with span("retrieval.search"):
                pass
        return inner

    header = spans.from_outside(None)
    mine, theirs = request(header, "me"), request(header, "them")
    found = recorded.trace(header[5:40])
    assert len(found) == 6
    for span_id in (mine, theirs):
        tree = spans.tree_around(found, span_id)
        assert [one.name for one in tree] == ["edge.request", "retrieval.request", "retrieval.search"]
        assert span_id in {one.span_id for one in tree}
    assert spans.tree_around(found, None) == spans.tree_around(found, "f" * 16) == []
