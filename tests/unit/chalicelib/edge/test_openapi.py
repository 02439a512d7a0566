"""The API's own description; `tests.fakes.described` holds every answer of this folder's tests to it."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.contracts.queries import NoQuery
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.examples import EXAMPLES
from chalicelib.edge.openapi import errors_of
from chalicelib.edge.operations import Operation
from tests.fakes.described import DOCUMENT, faults
from tests.fakes.edge_world import World

OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def test_it_is_valid_openapi() -> None:
    """3.1, by the specification's own schema."""
    assert DOCUMENT["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_it_is_served_to_everybody(world: World) -> None:
    """As it is."""
    assert world.ask("GET", "/openapi.json").body == DOCUMENT


def test_it_describes_every_operation_and_no_other() -> None:
    """What is routed is described."""
    paths = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert paths == {(operation.path, operation.method.lower()) for operation in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_each_operation_names_its_permission(operation: Operation) -> None:
    """Or that it needs none."""
    if operation.for_pages:
        assert described(operation)["security"] == [{"feedback_token": []}]
    elif operation.permission is None:
        assert described(operation)["security"] == []
    else:
        assert described(operation)["x-permission"] == operation.permission


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_each_operation_names_its_problems(operation: Operation) -> None:
    """By status and by code."""
    assert {str(error.status) for error in errors_of(operation)} < set(described(operation)["responses"])
    assert described(operation)["x-problem-codes"] == sorted(error.code for error in errors_of(operation))


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.streams_on_request or not one.events], ids=lambda one: one.name
)
def test_each_answer_has_an_example_that_fits_its_schema(operation: Operation) -> None:
    """But for this description, which is its own example."""
    content = described(operation)["responses"][str(operation.status)]["content"]["application/json"]
    if operation.name != "get_openapi":
        assert faults(content["schema"], content["example"]) == []


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.takes_body], ids=lambda one: one.name)
def test_each_body_has_an_example_that_fits_its_schema(operation: Operation) -> None:
    """And that the operation itself takes."""
    content = described(operation)["requestBody"]["content"]["application/json"]
    assert faults(content["schema"], content["example"]) == []
    operation.input.model_validate(content["example"])


def test_no_example_is_left_over() -> None:
    """Each belongs to a body or an answer."""
    used = {model for operation in OPERATIONS for model in (operation.input, operation.returns)}
    assert set(EXAMPLES) - used == set()


def test_the_streams_events_are_described() -> None:
    """OpenAPI has no word for them, so they stand in an extension."""
    content = DOCUMENT["paths"]["/query/stream"]["post"]["responses"]["200"]["content"]["text/event-stream"]
    names = [event["$ref"].rpartition("/")[2] for event in content["x-events"]["oneOf"]]
    assert names == [
        "RunEvent",
        "PassagesEvent",
        "TokenEvent",
        "CitationsEvent",
        "ClaimsEvent",
        "DoneEvent",
        "ErrorEvent",
    ]


def test_a_chat_is_described_whole_and_as_a_stream() -> None:
    """Its body says which of the two is answered."""
    content = DOCUMENT["paths"]["/chat/completions"]["post"]["responses"]["200"]["content"]
    assert list(content) == ["application/json", "text/event-stream"]
    (event,) = content["text/event-stream"]["x-events"]["oneOf"]
    assert event["$ref"].endswith("/ChatCompletionChunk")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.repeat], ids=lambda one: one.name)
def test_repeatable_operations_take_an_idempotency_key(operation: Operation) -> None:
    """As a header."""
    assert "Idempotency-Key" in {parameter["name"] for parameter in described(operation)["parameters"]}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_parameters_are_those_that_are_taken(operation: Operation) -> None:
    """Of the path and of the query."""
    parameters = described(operation)["parameters"]
    in_path = [parameter["name"] for parameter in parameters if parameter["in"] == "path"]
    in_query = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    query = NoQuery if operation.takes_body else operation.input
    taken = {field.alias or name for name, field in query.model_fields.items()}
    assert (in_path, in_query) == (operation.path_parameters, taken)
