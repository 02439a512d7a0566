"""AWS that fails on the way: what a request meets before it goes there, or on the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import (
    ExponentialBackoff,
    RetryEventAdapter,
    RetryHandler,
    RetryPolicy,
    RetryQuotaChecker,
    StandardRetryConditions,
)

from chalicelib.adapters.aws_clients import config
from tests.fakes.aws import session

ATTEMPTS = 3
SECRET = "what-only-the-request-knows"

Fault = Callable[[AWSRequest], AWSResponse | None]
"""Answers in AWS's place, raises what boto3 would, or lets the request go."""


@dataclass
class FaultyWay:
    """Requests meet *faults*, one each, before they go their way: those called *request*, or all. *sent* counts all."""

    client: Any
    request: str | tuple[str, ...] = ""
    faults: list[Fault] = field(default_factory=list)
    sent: int = 0
    # DynamoDB knows a transaction again by its token, and moto does not.
    carried_out: set[bytes] = field(default_factory=set)

    @classmethod
    def to(cls, url: str, service: str) -> FaultyWay:
        """Make a client of few attempts that does not wait between them, and the way that its requests take."""
        few = config(service).merge(Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}))
        client = session().client(service, config=few, endpoint_url=url)
        way = cls(client)
        name = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_first(f"before-send.{name}.*", way._meet)
        client.meta.events.unregister(f"needs-retry.{name}", unique_id=f"retry-config-{name}")
        client.meta.events.register(f"needs-retry.{name}", _without_waiting().needs_retry)
        return way

    def meets(self, *faults: Fault, request: str | tuple[str, ...] = "") -> None:
        """Let *faults* meet the next requests called *request*, or one of several, or whatever they are called."""
        self.request, self.faults, self.sent = request, list(faults), 0

    def _meet(self, request: AWSRequest, event_name: str, **_: Any) -> AWSResponse | None:
        self.sent += 1
        known = request.body in self.carried_out
        if self.faults and event_name.endswith(self.request):
            fault = self.faults.pop(0)
            if fault is lost and event_name.endswith("TransactWriteItems"):
                self.carried_out.add(request.body)
            return (slow if known else fault)(request)
        return _answer(request, 200, b"{}") if known else None


def says(status: int, code: str, **more: Any) -> Fault:
    """Give an answer that says no, in words that repeat the request, as JSON."""
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": SECRET, **more}).encode()
    return lambda request: _answer(request, status, body)


def says_in_xml(status: int, code: str) -> Fault:
    """Give the same as S3 does; to a HEAD it says nothing but the status."""
    body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
    return lambda request: _answer(request, status, b"" if request.method == "HEAD" else body)


def answers(body: bytes) -> Fault:
    """Give an answer that says yes."""
    return lambda request: _answer(request, 200, body)


def unreached(request: AWSRequest) -> None:
    """Find nobody there."""
    raise ConnectTimeoutError(endpoint_url=request.url)


def slow(request: AWSRequest) -> None:
    """Take longer than anybody waits, and do nothing."""
    raise ReadTimeoutError(endpoint_url=request.url)


def lost(request: AWSRequest) -> None:
    """Let the request be carried out, and its answer be lost."""
    _aside().send(request)
    raise ReadTimeoutError(endpoint_url=request.url)


@cache
def _aside() -> URLLib3Session:
    return URLLib3Session(verify=False)


class _Raw:
    """A body that is there."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        """Give it whole."""
        yield self._body


def _answer(request: AWSRequest, status: int, body: bytes) -> AWSResponse:
    return AWSResponse(request.url, status, {}, _Raw(body))


def _without_waiting() -> RetryHandler:
    policy = RetryPolicy(
        retry_checker=StandardRetryConditions(max_attempts=ATTEMPTS),
        retry_backoff=ExponentialBackoff(random=lambda: 0),
    )
    endless = RetryQuotaChecker(RetryQuota(initial_capacity=10**9))
    return RetryHandler(retry_policy=policy, retry_event_adapter=RetryEventAdapter(), retry_quota=endless)
