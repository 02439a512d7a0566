"""What every service's app does beside its own work."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from fastapi import APIRouter, Depends
from pydantic import ValidationError

from chalicelib.contracts.asking import RetrieveRequest
from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import Principal
from chalicelib.errors import NotFound, RateLimited, Unavailable
from chalicelib.observability import logs, spans
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import LocalSpans
from fargate.http.app import service_app
from fargate.http.identity import Authenticate, authenticate
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.serving import eventually, serving

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CANARY = "canary-7f3a9c"
LIMIT_BYTES = 2_000
METRICS = io.StringIO()


def router(identify: Authenticate) -> APIRouter:
    """Give routes that do everything a service's routes may do."""
    routes = APIRouter(prefix="/demo")

    @routes.get("/whoami")
    async def whoami(asking: Principal = Depends(identify)) -> dict[str, str]:
        logs.get_logger("fargate.demo").info("asked")
        return {"tenant": asking.tenant.tenant_id, "subject": asking.subject}

    @routes.get("/open")
    async def forgot_to_ask_who() -> dict[str, str]:
        return {}

    @routes.post("/check")
    async def check(request: RetrieveRequest) -> dict[str, str]:
        return {"question": request.question}

    @routes.get("/missing/{name}")
    async def missing(name: str) -> None:
        raise NotFound(f"There is no {name}.")

    @routes.get("/busy")
    async def busy() -> None:
        raise RateLimited("Too many.", retry_after_s=2.2)

    @routes.get("/down")
    async def down() -> None:
        raise Unavailable("The store does not answer.")

    @routes.get("/broken")
    async def broken() -> None:
        raise RuntimeError(CANARY)

    return routes


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    identify = authenticate(VERIFIER)
    metrics = Metrics("Ragstone", METRICS)
    limits: dict[str, Any] = {"metrics": metrics, "body_limit_bytes": LIMIT_BYTES}
    app = service_app("demo", [router(identify)], authenticate=identify, version="1.2.3", **limits)
    with serving(app) as url:
        yield url


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = before


def ask(url: str, method: str = "GET", token: str | None = "", **options: Any) -> urllib3.BaseHTTPResponse:
    """Send a request with a good token, unless told another."""
    token = principal().token if token == "" else token
    headers = {**({HEADER: token} if token else {}), **options.pop("headers", {})}
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request(method, url, headers=headers, **options)


def problem(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """Give the problem of a response, after checking that it is one."""
    found: dict[str, Any] = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert found["status"] == response.status
    assert found["trace_id"] == response.headers["X-Trace-Id"]
    return found


def test_health_answers_anybody(url: str) -> None:
    """The load balancer has no token."""
    response = ask(f"{url}/demo/health", token=None)
    assert (response.status, response.json()) == (200, {"status": "ok", "version": "1.2.3"})


def test_the_principal_is_the_token_s(url: str) -> None:
    """Whoever signed in at the edge is who a service sees."""
    token = principal("globex", "bob").token
    assert ask(f"{url}/demo/whoami", token=token).json() == {"tenant": "globex", "subject": "bob"}


@pytest.mark.parametrize("path", ["whoami", "open"])
@pytest.mark.parametrize("token", [None, "nonsense", CANARY])
def test_no_route_answers_without_a_token(url: str, path: str, token: str | None) -> None:
    """Also a route that forgot to ask for a principal is closed."""
    response = ask(f"{url}/demo/{path}", token=token)
    assert problem(response)["code"] == "unauthenticated"
    assert CANARY not in response.data.decode()


def test_lines_of_a_request_name_its_tenant_and_trace(url: str, log: io.StringIO) -> None:
    """The identity is in the log context as soon as it is known, and the access line closes the request."""
    response = ask(f"{url}/demo/whoami", headers={"X-Amzn-Trace-Id": f"Root={TRACE}"})
    assert response.headers["X-Trace-Id"] == TRACE
    # The server closes its books after it has answered, so the line of a request before this one may come late.
    eventually(lambda: len(_lines_of(TRACE, log)) > 1)
    lines = _lines_of(TRACE, log)
    assert [line["event"] for line in lines] == ["asked", "request_served"]
    assert all((line["trace_id"], line["tenant"], line["service"]) == (TRACE, "acme", "demo") for line in lines)
    assert lines[1]["status"] == 200


def _lines_of(trace: str, log: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["trace_id"] == trace]


def test_a_trace_goes_on(url: str) -> None:
    """The service's span hangs below the caller's."""
    backend = LocalSpans()
    spans.configure(backend)
    try:
        ask(f"{url}/demo/whoami", headers={"X-Amzn-Trace-Id": f"Root={TRACE};Parent=53995c3f42cd8ad8"})
        (found,) = eventually(lambda: backend.trace(TRACE))
    finally:
        spans.configure(None)
    assert (found.name, found.parent_id) == ("demo.request", "53995c3f42cd8ad8")


def test_requests_without_a_trace_get_one(url: str) -> None:
    """Each its own."""
    ids = {ask(f"{url}/demo/health").headers["X-Trace-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", each) for each in ids)


def test_errors_are_problems_of_their_class(url: str) -> None:
    """Status, code and detail are those of the error that was raised."""
    found = problem(ask(f"{url}/demo/missing/index"))
    assert (found["status"], found["code"], found["detail"]) == (404, "not_found", "There is no index.")


def test_waiting_is_said_in_whole_seconds(url: str) -> None:
    """Retry-After rounds up."""
    response = ask(f"{url}/demo/busy")
    assert problem(response)["retry_after_s"] == 2.2
    assert response.headers["Retry-After"] == "3"


def test_a_dependency_s_failure_is_retryable_and_logged(url: str, log: io.StringIO) -> None:
    """5xx say so, and leave a line."""
    assert problem(ask(f"{url}/demo/down"))["retryable"] is True
    assert '"event":"request_not_served"' in log.getvalue()


def test_an_unforeseen_error_is_a_bare_500(url: str, log: io.StringIO) -> None:
    """Neither the caller nor the log learns its words; the log learns its class and place."""
    response = ask(f"{url}/demo/broken")
    assert problem(response)["code"] == "internal"
    assert "builtins.RuntimeError" in log.getvalue()
    assert ":broken" in log.getvalue() or " broken" in log.getvalue()
    assert CANARY not in response.data.decode() + log.getvalue()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"question": ""}, ["question"]),
        ({"question": "q", "top_k": "3"}, ["top_k"]),
        ({"question": "q", CANARY: 1}, [CANARY]),
        ({}, ["question"]),
    ],
)
def test_a_request_off_the_contract_names_the_place(url: str, body: dict[str, Any], place: list[str]) -> None:
    """The places are those that the contract itself finds."""
    with pytest.raises(ValidationError):
        RetrieveRequest.model_validate(body)
    found = problem(ask(f"{url}/demo/check", "POST", json=body))
    assert (found["status"], found["code"]) == (400, "invalid_request")
    assert [error["loc"] for error in found["errors"]] == [place]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b"", b'"text"'])
def test_a_body_that_is_no_object_is_invalid(url: str, body: bytes) -> None:
    """Never an internal error."""
    response = ask(f"{url}/demo/check", "POST", body=body, headers={"Content-Type": "application/json"})
    assert problem(response)["code"] == "invalid_request"


def test_a_body_over_the_limit_is_refused(url: str) -> None:
    """With its length declared, or sent in pieces without one."""
    whole = json.dumps({"question": "q" * LIMIT_BYTES}).encode()
    for body in (whole, iter([whole[:1_500], whole[1_500:]])):
        response = ask(f"{url}/demo/check", "POST", body=body, headers={"Content-Type": "application/json"})
        assert problem(response)["code"] == "payload_too_large"


def test_a_body_just_under_the_limit_passes(url: str) -> None:
    """The limit is the limit."""
    text = "q" * (LIMIT_BYTES - len('{"question":""}'))
    assert ask(f"{url}/demo/check", "POST", json={"question": text}).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/demo/nowhere"), ("POST", "/demo/whoami"), ("GET", "/other")])
def test_unknown_operations_are_not_found(url: str, method: str, path: str) -> None:
    """Missing paths and missing methods alike, as at the edge."""
    assert problem(ask(url + path, method))["code"] == "not_found"


def test_the_service_describes_itself(url: str) -> None:
    """OpenAPI 3.1 under the service's own prefix; the identity header is the edge's matter and not in it."""
    described = ask(f"{url}/demo/openapi.json", token=None).json()
    assert described["openapi"].startswith("3.1")
    assert "/demo/whoami" in described["paths"]
    assert HEADER not in json.dumps(described)


def test_requests_are_counted_by_route(url: str) -> None:
    """By the route's pattern, so that ids do not become dimensions."""
    before = METRICS.tell()
    ask(f"{url}/demo/missing/index")
    pattern = "GET /demo/missing/{name}"
    # A request is counted just after it was answered, so the one of an earlier test may still come in.
    while True:
        METRICS.seek(before)
        lines = [json.loads(line) for line in METRICS.read().splitlines()]
        lines = [line for line in lines if "/demo/missing" in line["Route"]]
        if any("Requests" in line for line in lines):
            break
        time.sleep(0.01)
    assert {line["Route"] for line in lines} == {pattern}
    assert sum(line.get("Requests", 0) for line in lines if line.get("Outcome") == "4xx") == 1
