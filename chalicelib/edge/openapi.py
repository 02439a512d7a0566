"""The OpenAPI 3.1 description, made from the declared operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from chalicelib.contracts.common import Problem
from chalicelib.contracts.cross_origin import REPLAYED_HEADER, TRACE_ID_HEADER
from chalicelib.domain.identifiers import ID_PATTERN, INDEX_NAME_PATTERN
from chalicelib.edge import problems
from chalicelib.edge.examples import EXAMPLES, TRACE_ID
from chalicelib.edge.operations import Method, Operation, Resource
from chalicelib.edge.repeats import KEY_HEADER
from chalicelib.errors import (
    BadUpstream,
    BudgetExceeded,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    RagError,
    RateLimited,
    StorageFull,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)

VERSION = "3.1.0"
_TEMPLATE = "#/components/schemas/{model}"
_CREDENTIAL = "credential"
_FEEDBACK_TOKEN = "feedback_token"  # noqa: S105 -- a name

Model = tuple[type[BaseModel], JsonSchemaMode]
Schemas = Mapping[Model, dict[str, Any]]


def document(resources: Sequence[Resource], version: str) -> dict[str, Any]:
    """Describe *resources* at *version* of the platform."""
    operations = [operation for resource in resources for operation in resource.operations]
    schemas, definitions = _schemas(operations)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Ragstone",
            "version": version,
            "summary": "Retrieval-augmented generation whose every answer can be repeated and checked.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/v1"}],
        "security": [{_CREDENTIAL: []}],
        "tags": [{"name": resource.tag, "description": resource.title} for resource in resources],
        "paths": _paths(operations, schemas, definitions),
        "components": {
            "schemas": _without_queries(definitions, operations, schemas),
            "responses": {error.__name__: _problem_response(error) for error in _ALL_ERRORS},
            "headers": _HEADERS,
            "securitySchemes": {
                _CREDENTIAL: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`rgs_…`), or a user token of the platform's issuer (JWT).",
                },
                _FEEDBACK_TOKEN: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The `feedback_token` of an answer; the page's `Origin` must be one that it is for.",
                },
            },
        },
    }


def errors_of(operation: Operation) -> list[type[RagError]]:
    """Give the errors that *operation* may answer, by status."""
    errors: set[type[RagError]] = {InvalidRequest, RagError, Unavailable, *operation.raises}
    if operation.permission is not None:
        errors |= {Unauthenticated, Forbidden, RateLimited, BadUpstream, DeadlineExceeded}
    if operation.for_pages:
        errors |= {Unauthenticated, Forbidden, RateLimited}
    if operation.path_parameters:
        errors.add(NotFound)
    if operation.takes_body:
        errors |= {PayloadTooLarge, UnsupportedMedia}
    if operation.repeat is not None:
        errors |= {Conflict, IdempotencyMismatch}
    if operation.method is not Method.GET:
        errors |= {Conflict, StorageFull}
    return sorted(errors, key=lambda error: error.status)


def _schemas(operations: Iterable[Operation]) -> tuple[Schemas, dict[str, Any]]:
    models: set[Model] = {(Problem, "serialization")}
    for operation in operations:
        models |= {(operation.input, "validation"), (operation.returns, "serialization")}
        models |= {(event, "serialization") for event in operation.events}
    ordered = sorted(models, key=lambda model: (model[0].__name__, model[1]))
    references, definitions = models_json_schema(ordered, ref_template=_TEMPLATE)
    return cast("Schemas", references), definitions["$defs"]


def _without_queries(
    definitions: Mapping[str, Any], operations: Iterable[Operation], schemas: Schemas
) -> dict[str, Any]:
    queries = {_name(schemas, operation.input) for operation in operations if not operation.takes_body}
    return {name: schema for name, schema in definitions.items() if name not in queries}


def _paths(
    operations: Iterable[Operation], schemas: Schemas, definitions: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, schemas, definitions)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return paths


def _operation(operation: Operation, schemas: Schemas, definitions: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, schemas, definitions)],
        "responses": {str(operation.status): _success(operation, schemas), **_problem_references(operation)},
        "x-problem-codes": sorted(error.code for error in errors_of(operation)),
    }
    if operation.for_pages:
        described["security"] = [{_FEEDBACK_TOKEN: []}]
    elif operation.permission is None:
        described["security"] = []
    else:
        described["x-permission"] = operation.permission.value
    if operation.repeat is not None:
        described["parameters"].append(_KEY_PARAMETER)
    if operation.takes_if_match:
        described["parameters"].append(_IF_MATCH_PARAMETER)
    if operation.takes_body:
        described["requestBody"] = _body(operation, schemas)
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": INDEX_NAME_PATTERN if name == "index" else ID_PATTERN},
        }
        for name in operation.path_parameters
    ]


def _query_parameters(operation: Operation, schemas: Schemas, definitions: Mapping[str, Any]) -> list[dict[str, Any]]:
    if operation.takes_body:
        return []
    properties = definitions[_name(schemas, operation.input)].get("properties", {})
    return [_query_parameter(name, schema) for name, schema in properties.items()]


def _query_parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is not null when it is there."""
    chosen = next((option for option in schema.get("anyOf", []) if option.get("type") != "null"), schema)
    kept = {key: value for key, value in chosen.items() if key not in {"title", "description"}}
    described = {"name": name, "in": "query", "required": False, "schema": kept}
    description = schema.get("description") or chosen.get("description")
    return described | ({"description": description} if description else {})


def _body(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    schema = schemas[operation.input, "validation"]
    example = EXAMPLES[operation.input].model_dump(mode="json", exclude_unset=True)
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _success(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    headers = {TRACE_ID_HEADER: {"$ref": "#/components/headers/TraceId"}}
    if operation.repeat is not None:
        headers[REPLAYED_HEADER] = {"$ref": "#/components/headers/Replayed"}
    if operation.revision is not None:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    whole = _json_content(operation, schemas) if operation.streams_on_request or not operation.events else {}
    streamed = _stream_content(operation, schemas) if operation.events else {}
    return {
        "description": HTTPStatus(operation.status).phrase,
        "headers": headers,
        "content": {**whole, **streamed},
    }


def _json_content(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    schema = schemas[operation.returns, "serialization"]
    content: dict[str, Any] = {"schema": schema}
    if operation.returns in EXAMPLES:
        content["example"] = EXAMPLES[operation.returns].model_dump(mode="json")
    return {"application/json": content}


def _stream_content(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    """OpenAPI 3.1 has no word for the events inside a stream; each event's data is one of *x-events*."""
    events = [schemas[event, "serialization"] for event in operation.events]
    return {"text/event-stream": {"schema": {"type": "string"}, "x-events": {"oneOf": events}}}


def _problem_references(operation: Operation) -> dict[str, Any]:
    return {str(error.status): {"$ref": f"#/components/responses/{error.__name__}"} for error in errors_of(operation)}


def _problem_response(error: type[RagError]) -> dict[str, Any]:
    example = {
        "type": f"urn:ragstone:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": "What was wrong, with which value, and what to do about it.",
        "code": error.code,
        "trace_id": TRACE_ID,
    }
    if error.status >= 500:
        example["retryable"] = error.retryable
    return {
        "description": f"{error.title} (`{error.code}`)",
        "headers": {TRACE_ID_HEADER: {"$ref": "#/components/headers/TraceId"}},
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": _TEMPLATE.format(model="Problem")}, "example": example}},
    }


def _name(schemas: Schemas, query: type[BaseModel]) -> str:
    reference: str = schemas[query, "validation"]["$ref"]
    return reference.rpartition("/")[2]


_ALL_ERRORS: tuple[type[RagError], ...] = (
    InvalidRequest,
    Unauthenticated,
    BudgetExceeded,
    Forbidden,
    NotFound,
    Conflict,
    PayloadTooLarge,
    UnsupportedMedia,
    IdempotencyMismatch,
    RateLimited,
    RagError,
    BadUpstream,
    Unavailable,
    DeadlineExceeded,
    StorageFull,
)
_HEADERS = {
    "TraceId": {"description": "Names this request in logs and traces", "schema": {"type": "string"}},
    "ETag": {
        "description": "The revision of what is answered, to be sent back as `If-Match`",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Replayed": {
        "description": "Present when this request was done before, and is only answered again",
        "schema": {"type": "string", "const": "true"},
    },
}
_IF_MATCH_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that was read: the change is made to that revision only, and answers 409 to a later one",
    "schema": {"type": "string"},
}
_KEY_PARAMETER = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Yours, new for each new request; the same one again within 24 hours does the work once only",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
