"""How operations are declared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from chalicelib.contracts.health import Health
from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.operations import Call, Operation, Resource
from chalicelib.edge.streams import STREAMS

OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]


def test_an_operation_without_a_permission_fails_where_it_is_declared() -> None:
    """Leaving the permission out is an error at import, before anything could be served."""
    declare: Any = Resource("things", "Things").get
    with pytest.raises(TypeError, match="permission"):
        declare("/things", query=NoQuery, returns=Health, summary="List")


@pytest.mark.parametrize("permission", [None, "", "ask", True])
def test_nothing_but_a_permission_stands_for_one(permission: Any) -> None:
    """None, a bare text and the like are refused as well: there is no third way beside a permission and being open."""
    with pytest.raises(TypeError, match="Permission"):
        Resource("things", "Things").get("/things", permission=permission, query=NoQuery, returns=Health, summary="-")


def test_a_declaration_leaves_the_function_as_it_was() -> None:
    """Views stay plain functions, to be called in tests."""
    things = Resource("things", "Things")

    def view(_call: Call[NoQuery]) -> Health:
        return Health(version="1")

    declared = things.get("/things", permission=Permission.ASK, query=NoQuery, returns=Health, summary="-")(view)
    assert declared is view
    assert [operation.permission for operation in things.operations] == [Permission.ASK]


def test_only_these_operations_are_open_to_everybody() -> None:
    """A new operation without a permission must be added here in so many words."""
    open_ones = {operation.path for operation in OPERATIONS if operation.permission is None and not operation.for_pages}
    assert open_ones == {"/health", "/health/ready", "/openapi.json"}
    assert {operation.path for operation in OPERATIONS if operation.for_pages} == {"/public/feedback"}


def test_names_are_unique() -> None:
    """Names are operation ids, and Chalice's handler names."""
    assert [name for name, count in Counter(one.name for one in OPERATIONS).items() if count > 1] == []


def test_every_operation_that_creates_can_be_sent_again() -> None:
    """A POST takes `Idempotency-Key` unless it stores nothing or is a stream, which cannot be given twice."""
    posts = [one for one in OPERATIONS if one.method == "POST" and one.takes_body]
    without = {one.path for one in posts if one.repeat is None}
    streams = {"/chat/completions", "/query/stream"}
    assert without == {"/chunk-previews", "/prompt-previews", "/runs/{run_id}/explain"} | streams


def test_what_may_be_a_stream_is_led_past_the_lambda() -> None:
    """And nothing else is: the gateway is built from one list, the description from the operations."""
    assert set(STREAMS) == {one.path for one in OPERATIONS if one.events}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_says_what_it_does(operation: Operation) -> None:
    """A summary and a description stand in the API's documentation."""
    assert operation.summary
    assert operation.description.endswith((".", "`."))
