"""
Every way a provider can fail, by every kind of call, on both ways to reach it.

What must hold in each cell: an answer within the deadline and half a second, at most three upstream calls, each of them
reserved and settled once with exactly what it came to, one end of every stream, and neither key nor prompt anywhere.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chalicelib.contracts.identity import HEADER
from chalicelib.domain.prices import Tokens, cost_usd_micros
from chalicelib.domain.routes import MAX_ATTEMPTS, RouteKind
from fargate.adapters import litellm_models
from fargate.gateway.metering import CallStatus
from tests.fakes.gateway import CANARY_KEY, PRICE, Gateway, gateway, route
from tests.fakes.identities import principal
from tests.fakes.openai_provider import CUT_AFTER, FAULTS, OpenAiProvider, openai_provider
from tests.fakes.serving import eventually, serving

DEADLINES_S = {"direct": 0.3, "translated": 1.0}
GRACE_S = 0.5
PROMPT = "canary-prompt one two three"
ANSWER = "This is what the provider has to say."
KINDS = {"chat": RouteKind.CHAT, "stream": RouteKind.CHAT, "embed": RouteKind.EMBEDDING, "rerank": RouteKind.RERANK}
PATHS = {"chat": "chat/completions", "stream": "chat/completions", "embed": "embeddings", "rerank": "rerank"}

REFUSED = {
    # fault: status, reason, upstream calls
    "rate_limited": (429, "rate_limited", 1),  # it may come back in 30 s, which is too late
    "server_error": (502, "server_error", 3),
    "overloaded": (503, "unavailable", 3),
    "bad_request": (400, "invalid_request", 1),
    "content_policy": (400, "content_policy", 1),
    "context_length": (400, "context_length", 1),
    "unauthorized": (502, "provider_credentials", 1),
    "no_credit": (502, "provider_quota", 1),
    "unknown_model": (502, "unknown_model", 1),
    "hang": (504, "timeout", 1),
    "html": (502, "bad_answer", 3),
    "garbage": (502, "bad_answer", 3),
    "redirect": (502, "bad_answer", 3),
    "stall": (504, "timeout", 1),
    "cut": (502, "broken_off", 3),
    "huge": (502, "bad_answer", 3),
}
"""What becomes of a whole answer; other faults are none there."""
BROKEN = {"stall": "timeout", "cut": "broken_off", "error_event": "server_error", "huge": "bad_answer"}
"""What becomes of a stream that has begun."""


@dataclass
class Cell:
    """A gateway over a provider, with everything that was logged."""

    gateway: Gateway
    provider: OpenAiProvider
    url: str
    records: list[str]

    def post(self, kind: str, via: str, fault: str) -> tuple[int, bytes, float]:
        """Call, and give status, body and seconds."""
        self.gateway.forget()
        self.provider.received.clear()
        self.records.clear()
        began = time.monotonic()
        reply = urllib3.request(
            "POST",
            f"{self.url}/gateway/v1/{PATHS[kind]}",
            json={"model": f"{kind}-{via}-{fault}", **_body(kind)},
            headers={HEADER: principal().token or ""},
            retries=False,
        )
        return reply.status, reply.data, time.monotonic() - began


class Remembering(logging.Handler):
    """Keeps everything of every record, at any level."""

    def __init__(self, records: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self._records.append(f"{record.name} {record.getMessage()} {vars(record)} {trace}")


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """Serve a gateway that has a route for each cell."""
    faults = ["ok", *FAULTS]
    routes = [
        route(f"{kind}-{via}-{fault}", f"{via}/{fault}", kind=KINDS[kind], timeout_s=DEADLINES_S[via])
        for kind in KINDS
        for via in ("direct", "translated")
        for fault in faults
    ]
    routes += [route(f"{kind}-translated-warm", "translated/ok", kind=KINDS[kind], timeout_s=60) for kind in KINDS]
    folder: Path = tmp_path_factory.mktemp("faults")
    root, records = logging.getLogger(), list[str]()
    handler, level = Remembering(records), root.level
    with (
        openai_provider(token_delay_s=0.01, answer=lambda _: ANSWER) as (url, provider),
        gateway(folder, url, routes, lambda: 0.05) as opened,
        serving(opened.app()) as served,
    ):
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        yield Cell(opened, provider, served, records)
        root.setLevel(level)
        root.removeHandler(handler)


@pytest.mark.parametrize("fault", ["ok", *FAULTS])
@pytest.mark.parametrize("kind", ["chat", "embed", "rerank"])
def test_a_whole_answer_of_a_direct_provider(cell: Cell, kind: str, fault: str) -> None:
    """It comes, or the failure is told by its kind."""
    status, body, took_s = cell.post(kind, "direct", fault)
    wanted, reason, calls = REFUSED.get(fault, (200, None, 1))
    answered = json.loads(body)
    assert (status, answered.get("reason"), len(cell.provider.received)) == (wanted, reason, calls)
    if status != 200:
        assert answered["error"]["message"] == answered["detail"]
    _check_books(cell, took_s)
    _check_canaries(cell, body)


@pytest.mark.parametrize("fault", ["ok", *FAULTS])
def test_a_stream_of_a_direct_provider(cell: Cell, fault: str) -> None:
    """It begins or fails as a whole answer does; what breaks it off afterwards is its one end."""
    status, body, took_s = cell.post("stream", "direct", fault)
    if fault in BROKEN:
        *chunks, end = _events(body)
        assert (status, json.loads(end)["reason"]) == (200, BROKEN[fault])
        (outcome,) = [outcome for _, outcome in cell.gateway.meter.settled]
        said = "".join(json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert outcome.partial_text == said
        assert outcome.tokens.output == -(-len(said) // 4)
        assert len(chunks) <= CUT_AFTER + 1
    elif fault in REFUSED:
        wanted, reason, calls = REFUSED[fault]
        assert (status, json.loads(body)["reason"], len(cell.provider.received)) == (wanted, reason, calls)
    else:
        assert (status, _events(body)[-1]) == (200, "[DONE]")
    if status == 200:
        _check_one_end(body)
    _check_books(cell, took_s)
    _check_canaries(cell, body)


@pytest.fixture(scope="module")
def translating(cell: Cell) -> Cell:
    """Give the same, with LiteLLM imported: its import takes longer than the deadline."""
    litellm_models.load()
    for kind in KINDS:  # it imports more at the first call of each kind
        cell.post(kind, "translated", "warm")
    return cell


ODD_ANSWERS = "ignore:Pydantic serializer warnings"


@pytest.mark.drill
@pytest.mark.filterwarnings(ODD_ANSWERS)
@pytest.mark.parametrize("fault", ["ok", *FAULTS])
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_that_litellm_translates(translating: Cell, kind: str, fault: str) -> None:
    """It tells kinds of failure less exactly, but what must hold holds."""
    status, body, took_s = translating.post(kind, "translated", fault)
    if kind == "stream" and status == 200:
        _check_one_end(body)
    elif fault == "ok":
        assert status == 200
    elif fault in REFUSED and fault != "huge":
        assert status >= 400
        assert (status < 500) == (REFUSED[fault][0] < 500 or fault == "no_credit")
    _check_books(translating, took_s)
    _check_canaries(translating, body)


def _body(kind: str) -> dict[str, Any]:
    if kind == "embed":
        return {"input": [PROMPT, "b"]}
    if kind == "rerank":
        return {"query": PROMPT, "documents": ["b", PROMPT]}
    return {"messages": [{"role": "user", "content": PROMPT}], "stream": kind == "stream"}


def _events(body: bytes) -> list[str]:
    return [line.removeprefix("data: ") for line in body.decode().split("\n") if line.startswith("data: ")]


def _check_one_end(body: bytes) -> None:
    ends = [event for event in _events(body) if event == "[DONE]" or event.startswith('{"error"')]
    assert len(ends) == 1
    assert _events(body)[-1] == ends[0]


def _check_books(cell: Cell, took_s: float) -> None:
    meter = cell.gateway.meter
    eventually(lambda: len(meter.settled) == len(meter.reserved))
    assert took_s <= DEADLINES_S[meter.reserved[0].deployment.provider] + GRACE_S
    assert 1 <= len(cell.provider.received) <= MAX_ATTEMPTS
    assert [call.attempt for call, _ in meter.settled] == list(range(1, len(cell.provider.received) + 1))
    assert [call for call, _ in meter.settled] == meter.reserved
    for _, outcome in meter.settled:
        assert outcome.cost_usd_micros == cost_usd_micros(PRICE, outcome.tokens)
        assert outcome.status is not CallStatus.CANCELLED
        assert (outcome.error is None) == (outcome.status is CallStatus.SUCCEEDED)
    assert meter.settled[0][1].tokens != Tokens() or meter.settled[0][1].error


def _check_canaries(cell: Cell, body: bytes) -> None:
    for place in [body.decode(), *cell.records]:
        assert CANARY_KEY not in place
        assert "canary-prompt" not in place
    for _, outcome in cell.gateway.meter.settled:
        assert CANARY_KEY not in repr(outcome)
