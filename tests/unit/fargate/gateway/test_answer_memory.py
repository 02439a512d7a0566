"""What is kept of answers, and for whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.contracts.gateway import GatewayModels
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.routes import RouteKind
from fargate.gateway.answer_memory import AnswerMemory, same_request
from fargate.gateway.attempts import Asked
from tests.fakes.clock import HandClock
from tests.fakes.gateway import route

ANSWER = [GatewayModels(data=[])]
SIZE = len(ANSWER[0].model_dump_json())


def test_an_answer_is_kept_for_its_time() -> None:
    """And not a moment longer, however often it was asked for."""
    clock = HandClock()
    memory = AnswerMemory(clock)
    memory.put("a", ANSWER, 60)
    clock.advance(59)
    assert memory.get("a") == tuple(ANSWER)
    clock.advance(1)
    assert memory.get("a") is None


def test_only_so_much_is_kept() -> None:
    """What nobody asked for longest goes first; one that is too large for it is not kept at all."""
    memory = AnswerMemory(HandClock(), max_bytes=2 * SIZE)
    memory.put("a", ANSWER, 60)
    memory.put("b", ANSWER, 60)
    memory.get("a")
    memory.put("c", ANSWER, 60)
    assert [memory.get(key) is not None for key in "abc"] == [True, False, True]
    memory.put("d", ANSWER * 3, 60)
    assert [memory.get(key) is not None for key in "acd"] == [False, False, False]


def test_tenants_and_versions_of_a_route_share_nothing() -> None:
    """Who asks within a tenant makes no difference."""
    principal = Principal(Tenant(TenantId("acme")), "ada", frozenset({Role.READER}))
    asked = Asked("call_1", 0, principal, RouteKind.CHAT, route("chat", "p/m"), 10)
    named = same_request(asked, "{}")
    rival = replace(principal, tenant=Tenant(TenantId("rival")))
    again = replace(asked.route, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert same_request(replace(asked, principal=replace(principal, subject="bob")), "{}") == named
    others = [
        same_request(asked, "{ }"),
        same_request(replace(asked, principal=rival), "{}"),
        same_request(replace(asked, route=replace(asked.route, version=2)), "{}"),
        same_request(replace(asked, route=replace(asked.route, name="b")), "{}"),
        same_request(replace(asked, route=again), "{}"),
    ]
    assert len({named, *others}) == 6
