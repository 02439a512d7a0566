"""Budgets and usage through the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.budgets import Budget, BudgetScope, Period, account_of
from chalicelib.domain.ledger import EntryStatus, LedgerEntry
from chalicelib.domain.routes import RouteKind
from chalicelib.repositories.ledger import Hold, Settlement
from tests.fakes.edge_world import ACME, RIVAL, World

TEAM = {"name": "team", "scope": "tenant", "period": "month", "limit_usd_micros": 1_000}
ENTRY = LedgerEntry(
    call_id="call_1",
    attempt=1,
    at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    subject="key_1",
    key="key_1",
    user=None,
    route="chat",
    model="openai/gpt",
    kind=RouteKind.CHAT,
    price_source="test",
    unpriced=False,
    status=EntryStatus.SUCCEEDED,
    input_tokens=10,
    output_tokens=5,
    estimated=False,
    cost_usd_micros=100,
)


def _enter(world: World, number: int, **changed: Any) -> None:
    entry = replace(ENTRY, call_id=f"call_{number}", **changed)
    world.edge.ledger.book(ACME, [Settlement(entry, None)])


def _keys(world: World, credential: str, **query: Any) -> list[tuple[str | None, int]]:
    items = world.ask("GET", "/usage", credential, query=query).body["items"]
    return [(one["key"], one["cost_usd_micros"]) for one in items]


def test_a_budget_is_kept_changed_and_deleted(world: World, admin: str) -> None:
    """With versions that nobody overwrites unseen."""
    made = world.ask("POST", "/budgets", admin, TEAM)
    assert (made.status, made.body["version"], made.body["resets_at"]) == (201, 1, "2026-04-01T00:00:00Z")
    assert made.body["accounts"] == [
        {"subject": None, "spent_usd_micros": 0, "reserved_usd_micros": 0, "remaining_usd_micros": 1_000, "state": "ok"}
    ]
    assert world.ask("POST", "/budgets", admin, TEAM).problem == (409, "conflict")
    changed = world.ask("PATCH", "/budgets/team", admin, {"warn_at": 0.5}, headers={"If-Match": '"1"'})
    assert (changed.body["warn_at"], changed.body["limit_usd_micros"], changed.headers["etag"]) == (0.5, 1_000, '"2"')
    late = world.ask("PATCH", "/budgets/team", admin, {"warn_at": None}, headers={"If-Match": '"1"'})
    assert late.problem == (409, "conflict")
    assert world.ask("PATCH", "/budgets/team", admin, {"warn_at": None}).body["warn_at"] is None
    assert world.ask("DELETE", "/budgets/team", admin, headers={"If-Match": '"2"'}).problem == (409, "conflict")
    assert world.ask("DELETE", "/budgets/team", admin, headers={"If-Match": '"3"'}).status == 200
    assert world.ask("GET", "/budgets/team", admin).problem == (404, "not_found")


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "ada"},
        {"limit_usd_micros": -1},
        {"limit_usd_micros": 1.5},
        {"warn_at": 1},
        {"scope": "planet"},
        {"period": "week"},
        {"name": "Team"},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, admin: str, change: dict[str, Any]) -> None:
    """With its place."""
    assert world.ask("POST", "/budgets", admin, {**TEAM, **change}).problem == (400, "invalid_request")


def test_a_budget_says_how_each_subject_stands(world: World, admin: str) -> None:
    """Who has spent most comes first; another tenant's spending is nowhere in it."""
    world.ask("POST", "/budgets", admin, {**TEAM, "name": "each", "scope": "user", "period": "day"})
    budget = Budget("each", BudgetScope.USER, Period.DAY, 1_000, warn_at=0.25)
    held = [("ada", 400, ACME), ("bob", 300, ACME), ("cy", 1_000, ACME), ("eve", 500, RIVAL)]
    for number, (user, amount, tenant) in enumerate(held):
        account = account_of(budget, user, world.clock.now())
        hold = Hold(replace(ENTRY, call_id=f"call_{number}"), [account], amount, 2_000_000_000)
        world.edge.ledger.book(tenant, [hold])
        if user == "bob":
            world.edge.ledger.book(tenant, [Settlement(replace(hold.entry, cost_usd_micros=300), hold)])
    accounts = world.ask("GET", "/budgets/each", admin).body["accounts"]
    assert [tuple(one.values()) for one in accounts] == [
        ("cy", 0, 1_000, 0, "spent"), ("ada", 0, 400, 600, "ok"), ("bob", 300, 0, 700, "warned"),
    ]  # fmt: skip


def test_usage_is_summed_by_whatever_is_asked(world: World) -> None:
    """Calls without the thing have their own sum; filters narrow it; the total is that of the items."""
    engineer = world.key(Role.ENGINEER)
    _enter(world, 1, user="ada", model="openai/mini")
    _enter(world, 2, user="bob", route="judge", release="rel_1")
    _enter(world, 3, status=EntryStatus.FAILED, error="timeout", cost_usd_micros=7)
    _enter(world, 4, at=ENTRY.at + timedelta(days=1), unpriced=True, cost_usd_micros=0)
    span = {"from": "2026-03-01", "to": "2026-03-02"}
    assert _keys(world, engineer, **span) == [("2026-03-01", 207), ("2026-03-02", 0)]
    assert _keys(world, engineer, **span, group_by="model") == [("openai/gpt", 107), ("openai/mini", 100)]
    assert _keys(world, engineer, **span, group_by="route") == [("chat", 107), ("judge", 100)]
    assert _keys(world, engineer, **span, group_by="release") == [("rel_1", 100), (None, 107)]
    assert _keys(world, engineer, **span, group_by="tenant") == [("acme", 207)]
    assert _keys(world, engineer, **span, group_by="user") == [("ada", 100), ("bob", 100), (None, 7)]
    assert _keys(world, engineer, **span, group_by="user", route="judge") == [("bob", 100)]
    assert _keys(world, engineer, **span, user="ada") == [("2026-03-01", 100)]
    assert _keys(world, engineer) == [("2026-03-01", 207)]
    total = world.ask("GET", "/usage", engineer, query=span).body["total"]
    assert (total["calls"], total["failed_calls"], total["unpriced_calls"], total["input_tokens"]) == (4, 1, 1, 40)
    assert _keys(world, world.key(Role.ADMIN, tenant=RIVAL), **span, group_by="tenant") == []


@pytest.mark.parametrize("query", [{"from": "2026-03-02", "to": "2026-03-01"}, {"from": "yesterday"}, {"key": "key_1"}])
def test_a_question_about_usage_that_makes_no_sense_is_refused(world: World, admin: str, query: dict[str, str]) -> None:
    """Days out of order, what is no day, and unknown filters."""
    assert world.ask("GET", "/usage", admin, query=query).problem == (400, "invalid_request")
