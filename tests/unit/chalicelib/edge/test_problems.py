"""Errors as problem+json."""

from __future__ import annotations

import re

import pytest

from chalicelib import errors
from chalicelib.edge import problems
from tests.fakes.edge_world import World

ERRORS = [
    errors.InvalidRequest("a", [{"loc": ["b"], "msg": "c"}]),
    errors.Conflict("a"),
    errors.PayloadTooLarge("a"),
    errors.UnsupportedMedia("a"),
    errors.RateLimited("a", retry_after_s=1.2),
    errors.Unavailable("a"),
    errors.BadUpstream("a"),
    errors.DeadlineExceeded("a"),
    errors.StorageFull("a"),
]
QUESTION = {"question": "q", "index": "handbook"}


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.code)
def test_a_services_error_comes_back_as_the_same_error(world: World, admin: str, error: errors.RagError) -> None:
    """Status, code and everything that helps; a client can rebuild the class from it."""
    world.store.trouble.error = error
    reply = world.ask("POST", "/query", admin, QUESTION)
    assert reply.problem == (error.status, error.code)
    rebuilt = errors.from_problem(reply.body, reply.status)
    assert (type(rebuilt), rebuilt.detail, rebuilt.extra) == (type(error), error.detail, error.extra)


@pytest.mark.parametrize("error", [RuntimeError("the password is hunter2"), KeyError("hunter2"), RecursionError()])
def test_an_unforeseen_error_shows_nothing_of_itself(
    world: World, admin: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """500 without details; the log has them, under the trace's id."""
    world.store.trouble.error = error
    reply = world.ask("POST", "/query", admin, QUESTION)
    assert reply.problem == (500, "internal")
    assert "hunter2" not in reply.raw.decode()
    assert "request_crashed" in caplog.text


def test_a_limit_says_when_to_come_back(world: World, admin: str) -> None:
    """In whole seconds, never too early."""
    world.store.trouble.error = errors.RateLimited("Slow down.", retry_after_s=1.2)
    assert world.ask("POST", "/query", admin, QUESTION).headers["retry-after"] == "2"


def test_a_missing_credential_is_asked_for() -> None:
    """401 names the scheme, as RFC 9110 demands."""
    response = problems.response(errors.Unauthenticated("Who are you?"), "trace")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("status", "code"), [(405, "not_found"), (415, "unsupported_media_type"), (500, "internal")])
def test_chalices_own_refusals_become_problems(status: int, code: str) -> None:
    """Its statuses are mapped to errors of ours."""
    assert problems.of_framework(status).code == code


def test_every_answer_carries_a_trace_id(world: World, admin: str) -> None:
    """Good or bad, and a new one each time."""
    calls = [("GET", "/me"), ("GET", "/jobs/none"), ("DELETE", "/me"), ("OPTIONS", "/me"), ("GET", "/health")]
    ids = [world.ask(method, path, admin).headers["x-trace-id"] for method, path in calls]
    assert len(set(ids)) == len(calls)
    assert all(re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", one) for one in ids)


def test_a_trace_that_has_begun_goes_on(world: World, admin: str) -> None:
    """API Gateway begins one; a malformed header is not repeated."""
    begun = "1-6921f3a0-4bf92f3577b34da6a3ce929d"
    headers = {"X-Amzn-Trace-Id": f"Root={begun};Sampled=1"}
    assert world.ask("GET", "/me", admin, headers=headers).headers["x-trace-id"] == begun
    headers = {"X-Amzn-Trace-Id": "Root=<script>"}
    assert "<script>" not in world.ask("GET", "/me", admin, headers=headers).headers["x-trace-id"]


def test_nothing_is_cached(world: World, admin: str) -> None:
    """What one caller may read is nobody else's."""
    for path in ("/me", "/jobs/none"):
        assert world.ask("GET", path, admin).headers["cache-control"] == "no-store"
