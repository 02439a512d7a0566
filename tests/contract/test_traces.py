"""The traces contract, over every adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.xray_traces import MAX_PAGES, XrayTraces
from chalicelib.errors import Misconfigured
from chalicelib.observability.spans import LocalSpans, Span, span, start_trace
from fargate.adapters.xray_spans import XraySpans
from tests.contract.traces_contract import TracesContract
from tests.fakes.aws import Aws
from tests.fakes.serving import eventually
from tests.fakes.xray_daemon import XrayDaemon, xray_daemon


class TestLocalSpans(TracesContract):
    """Memory."""

    @pytest.fixture
    def backend(self) -> LocalSpans:
        """Give an empty store."""
        return LocalSpans()

    @pytest.fixture
    def traces(self, backend: LocalSpans) -> LocalSpans:
        """It reads what it took."""
        return backend


class TestXray(TracesContract):
    """X-Ray: over UDP to a daemon, from there by HTTP to the service, and back."""

    @pytest.fixture
    def daemon(self, aws: Aws) -> Iterator[XrayDaemon]:
        """Give a daemon that puts what it gets to the service."""
        with xray_daemon(aws.client("xray")) as daemon:
            yield daemon

    @pytest.fixture
    def backend(self, daemon: XrayDaemon) -> Iterator[XraySpans]:
        """Give what sends to the daemon."""
        with closing(XraySpans(daemon.address)) as backend:
            yield backend

    @pytest.fixture
    def traces(self, aws: Aws) -> XrayTraces:
        """Give what reads from the service."""
        return XrayTraces(aws.client("xray"))

    def test_services_are_segments_and_their_stages_are_not(self, daemon: XrayDaemon) -> None:
        """As X-Ray draws its map: a service has a node, a stage of it has none."""

        async def work() -> None:
            start_trace()
            with span("retrieval.request"), span("retrieval.search"):
                pass

        asyncio.run(work())
        documents = eventually(lambda: daemon.documents if len(daemon.documents) == 2 else [])
        kinds = {one["name"]: one.get("type", "segment") for one in documents}
        assert kinds == {"ragstone-retrieval": "segment", "retrieval.search": "subsegment"}

    def test_what_is_not_sampled_is_not_sent(self, daemon: XrayDaemon) -> None:
        """Whoever began the trace decided that."""

        async def work() -> None:
            start_trace("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
            with span("retrieval.request"):
                pass
            start_trace()
            with span("generation.request"):
                pass

        asyncio.run(work())
        assert [one["name"] for one in eventually(lambda: daemon.documents)] == ["ragstone-generation"]


def test_without_a_daemon_nothing_fails() -> None:
    """Spans are lost, and nobody waits or is told."""
    with xray_daemon() as daemon:
        address = daemon.address
    lost = Span("edge.request", "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8", None, 0.0, 1.0, {})
    with closing(XraySpans(address)) as backend:
        for _ in range(3):
            backend.record(lost)


class Paged:
    """Gives one segment of a trace at a time, and *pages* of them."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def batch_get_traces(self, **asked: Any) -> dict[str, Any]:
        """As X-Ray does."""
        page = int(asked.get("NextToken", "0"))
        document = {"id": f"{page:016x}", "name": "s", "start_time": float(page), "end_time": page + 1.0}
        more = {"NextToken": str(page + 1)} if page + 1 < self.pages else {}
        return {"Traces": [{"Id": asked["TraceIds"][0], "Segments": [{"Document": json.dumps(document)}]}], **more}


def test_a_trace_of_many_pages_is_read_whole() -> None:
    """A service that never comes to an end is not read for ever."""
    trace_id = "1-5759e988-bd862e3fe1be46a994272793"
    assert [span.started_at for span in XrayTraces(Paged(3)).trace(trace_id)] == [0.0, 1.0, 2.0]
    assert len(XrayTraces(Paged(10_000)).trace(trace_id)) == MAX_PAGES


def test_a_service_that_refuses_is_told_as_such() -> None:
    """The role may not read traces: an administrator must see to it."""

    class Denying:
        def batch_get_traces(self, **_: object) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "BatchGetTraces")

    with pytest.raises(Misconfigured):
        XrayTraces(Denying()).trace("1-00000000-000000000000000000000000")
