"""Questions, and the runs that record them."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.client.calling import Caller, quoted
from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    RunSummary,
    RunView,
)
from chalicelib.contracts.explanations import Explanation, Subject
from chalicelib.contracts.prompts import SentMessages
from chalicelib.contracts.traces import TraceView


class Asking(Caller):
    """What is asked, and what was."""

    def retrieve(self, request: RetrieveRequest) -> RetrieveResponse:
        """Find passages."""
        return self._post("/retrieve", request, RetrieveResponse)

    def query(self, request: QueryRequest) -> Answer:
        """Answer a question."""
        return self._post("/query", request, Answer)

    def query_stream(self, request: QueryRequest) -> Iterator[AnswerEvent]:
        """Answer a question in events, as `ports.services.Generator.stream` has them."""
        with self._transport.stream(self._call("POST", "/query/stream", request)) as events:
            yield from events

    def runs(self) -> Iterator[RunSummary]:
        """List answered questions, newest first."""
        return self._items("/runs", RunSummary)

    def explain(self, run_id: str, subject: Subject) -> Explanation:
        """Say why a document or chunk was, or was not, among the passages of a run."""
        return self._post(f"/runs/{quoted(run_id)}/explain", subject, Explanation)

    def run(self, run_id: str) -> RunView:
        """Give one answered question with everything that led to its answer."""
        return self._get(f"/runs/{quoted(run_id)}", RunView)

    def run_trace(self, run_id: str) -> TraceView:
        """Give the stages that a question went through."""
        return self._get(f"/runs/{quoted(run_id)}/trace", TraceView)

    def run_messages(self, run_id: str) -> SentMessages:
        """Give what the model of a run was sent, put together again."""
        return self._get(f"/runs/{quoted(run_id)}/messages", SentMessages)
