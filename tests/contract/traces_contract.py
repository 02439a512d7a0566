"""What every place must do where spans go and come back from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from chalicelib.observability import spans
from chalicelib.observability.spans import Span, SpanBackend, span, start_trace
from chalicelib.ports.traces import Traces
from tests.fakes.serving import eventually


class TracesContract:
    """Subclass, and give the fixtures `backend`, which records, and `traces`, which reads."""

    @pytest.fixture
    def backend(self) -> SpanBackend:
        """Give where spans go."""
        raise NotImplementedError

    @pytest.fixture
    def traces(self, backend: SpanBackend) -> Traces:
        """Give where they are read."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def recording(self, backend: SpanBackend) -> Iterator[None]:
        """Record what the tests do."""
        spans.configure(backend)
        yield
        spans.configure(None)

    def test_concurrent_tasks_keep_their_own_trees(self, traces: Traces) -> None:
        """Twelve requests at once, each with two stages at once: every span stands under its own parent."""

        async def request(number: int) -> str:
            trace_id = start_trace()
            with span("generation.request", number=number):
                await asyncio.gather(stage(number, "retrieve"), stage(number, "write"))
            return trace_id

        async def stage(number: int, name: str) -> None:
            with span(f"generation.{name}", number=number):
                await asyncio.sleep(0.001)

        async def everything() -> list[str]:
            return await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(12)))

        for number, trace_id in enumerate(asyncio.run(everything())):
            found = _whole(traces, trace_id, 3)
            assert {one.facts["number"] for one in found} == {number}
            assert _parents(found) == {
                "generation.request": None,
                "generation.retrieve": "generation.request",
                "generation.write": "generation.request",
            }

    def test_a_trace_goes_on_in_another_process(self, traces: Traces) -> None:
        """The first span there names the one here as its parent, and is told from those below it."""

        async def here() -> str:
            trace_id = start_trace()
            with span("edge.request"):
                await asyncio.to_thread(there, spans.trace_header())
            return trace_id

        def there(header: str | None) -> None:
            start_trace(header)
            with span("retrieval.request"), span("retrieval.search"):
                pass

        found = _whole(traces, asyncio.run(here()), 3)
        assert _parents(found)["retrieval.request"] == "edge.request"
        assert {one.name: one.entry for one in found} == {
            "edge.request": True,
            "retrieval.request": True,
            "retrieval.search": False,
        }

    def test_what_a_span_noted_comes_back(self, traces: Traces) -> None:
        """Numbers, texts, truth values and lists; how long it took; and the class of what ended it."""

        async def work() -> str:
            trace_id = start_trace()
            with pytest.raises(ValueError, match="canary"), span("ingestion.parse", pages=2, kind="pdf") as here:  # noqa: PT012
                here.note(ocr=False, blocks=[1, 2])
                await asyncio.sleep(0.005)
                raise ValueError("canary")
            return trace_id

        (found,) = _whole(traces, asyncio.run(work()), 1)
        assert (found.name, found.error) == ("ingestion.parse", "ValueError")
        assert found.facts == {"pages": 2, "kind": "pdf", "ocr": False, "blocks": [1, 2]}
        assert 5 <= found.duration_ms < 2_000
        assert "canary" not in repr(found)

    def test_an_unknown_trace_has_no_spans(self, traces: Traces) -> None:
        """Also one that is none at all."""
        assert list(traces.trace("1-00000000-000000000000000000000000")) == []


def _whole(traces: Traces, trace_id: str, number: int) -> list[Span]:
    """Give the spans of a trace once all are there."""
    found = eventually(lambda: [*known] if len(known := traces.trace(trace_id)) >= number else [])
    assert len(found) == number
    assert [one.started_at for one in found] == sorted(one.started_at for one in found)
    return found


def _parents(found: list[Span]) -> dict[str, str | None]:
    names = {one.span_id: one.name for one in found}
    return {one.name: names.get(one.parent_id or "") for one in found}
