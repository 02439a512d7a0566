"""What a request says: path, query and body, checked before anything is done with them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from chalice.app import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.budgets import NAME_PATTERN as BUDGET_NAME_PATTERN
from chalicelib.domain.identifiers import INDEX_NAME_PATTERN, is_id
from chalicelib.domain.prompts import NAME_PATTERN as PROMPT_NAME_PATTERN
from chalicelib.domain.releases import ALIAS_PATTERN
from chalicelib.domain.routes import NAME_PATTERN as ROUTE_NAME_PATTERN
from chalicelib.domain.schedules import NAME_PATTERN as SCHEDULE_NAME_PATTERN
from chalicelib.edge import problems
from chalicelib.edge.operations import MAX_BODY_BYTES, Method, Operation
from chalicelib.errors import InvalidRequest, NotFound, PayloadTooLarge, UnsupportedMedia

_MAX_ERRORS = 20
_MAX_PLACE_CHARACTERS = 64
_MAX_MESSAGE_CHARACTERS = 300
_ENTITY_TAG = re.compile(r'(?:W/)?"[!#-~]{0,64}"')
_REVISION = re.compile(r'"[0-9]{1,18}"')
_NO_REVISION = -1
_NAMES = {
    "index": INDEX_NAME_PATTERN,
    "route": ROUTE_NAME_PATTERN,
    "budget": BUDGET_NAME_PATTERN,
    "alias": ALIAS_PATTERN,
    "prompt": PROMPT_NAME_PATTERN,
    "schedule": SCHEDULE_NAME_PATTERN,
}
_JSON = re.compile(r"application/json\s*(?:;\s*charset\s*=\s*\"?utf-?8\"?\s*)?", re.IGNORECASE)


def path_of(operation: Operation, path: Mapping[str, str]) -> dict[str, str]:
    """
    Give the decoded path parameters. Raises `NotFound` for one that cannot be anybody's id.

    An id has no character that needs escaping, so decoding what the gateway decoded already does no harm.
    """
    decoded = {name: unquote(path[name]) for name in operation.path_parameters}
    if not all(_is_well_formed(name, value) for name, value in decoded.items()):
        raise NotFound(problems.NOTHING_HERE)
    return decoded


def query_of(request: Request) -> dict[str, str]:
    """Give the query parameters. Raises `InvalidRequest` for one that is given twice."""
    given: Mapping[str, Sequence[str]] = request.to_original_event().get("multiValueQueryStringParameters") or {}
    twice = [{"loc": [name[:_MAX_PLACE_CHARACTERS]], "msg": "Given twice"} for name in given if len(given[name]) > 1]
    if twice:
        raise InvalidRequest("A query parameter may be given once.", twice[:_MAX_ERRORS])
    return {name: values[0] for name, values in given.items()}


def refuse_query(given: Mapping[str, str]) -> None:
    """Raise `InvalidRequest` if an operation that takes a body was given query parameters as well."""
    validated(NoQuery, given)


def body_of(request: Request, max_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """
    Give the JSON object that was sent, of at most *max_bytes*.

    Raises `PayloadTooLarge`, `UnsupportedMedia` and `InvalidRequest`; none repeats what was sent.
    """
    raw = _raw(request)
    if len(raw) > max_bytes:
        remedy = "send large files with POST /v1/uploads" if max_bytes == MAX_BODY_BYTES else "send less text"
        raise PayloadTooLarge(f"The body is over {max_bytes} bytes; {remedy}.")
    if not _JSON.fullmatch(request.headers.get("content-type", "application/json")):
        raise UnsupportedMedia("Send JSON in UTF-8: 'Content-Type: application/json'.")
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON in UTF-8: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object, in braces.")
    if _holds_infinity(body):
        raise InvalidRequest("The body holds a number beyond what a double can hold.")
    return body


def refuse_body(operation: Operation, request: Request) -> None:
    """Raise `InvalidRequest` if something was sent with a POST that takes nothing; an empty object is nothing."""
    if operation.method is Method.POST and _raw(request).strip() not in {b"", b"{}"}:
        raise InvalidRequest("This operation takes no body.")


def revision_of(operation: Operation, request: Request) -> int | None:
    """
    Give the revision that ``If-Match`` names, or None for any.

    Raises `InvalidRequest` unless it is one entity tag or a star (RFC 9110, section 13.1.1), or where *operation* would
    change something whatever its revision is; a tag that this platform never gave is a revision that nothing has.
    """
    given = request.headers.get("if-match", "*").strip()
    if given == "*" or operation.method is Method.GET:
        return None
    if not operation.takes_if_match:
        raise InvalidRequest("This operation does not look at revisions; leave If-Match out.")
    if not _ENTITY_TAG.fullmatch(given):
        raise InvalidRequest('If-Match must be one ETag in its quotes, such as "3", or a star.')
    return int(given[1:-1]) if _REVISION.fullmatch(given) else _NO_REVISION


def validated(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    """Give *given* as *model*. Raises `InvalidRequest` with the place and reason of each fault, never the value."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [_fault(detail) for detail in details[:_MAX_ERRORS]]
    first = f"{'.'.join(map(str, faults[0]['loc'])) or 'the request'}: {faults[0]['msg']}"
    raise InvalidRequest(f"The request is not valid. {first}", faults)


def digest(operation: str, path: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """Name a request by what it asks, whatever order and spacing its body is written in."""
    canonical = json.dumps([operation, path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _is_well_formed(name: str, value: str) -> bool:
    pattern = _NAMES.get(name)
    return is_id(value) if pattern is None else re.fullmatch(pattern, value) is not None


def _raw(request: Request) -> bytes:
    try:
        raw = request.raw_body
    except ValueError as error:
        raise InvalidRequest("The body is not text in UTF-8.") from error
    return raw if isinstance(raw, bytes) else raw.encode()


def _holds_infinity(value: object) -> bool:
    match value:
        case float():
            return not math.isfinite(value)
        case dict():
            return any(map(_holds_infinity, value.values()))
        case list():
            return any(map(_holds_infinity, value))
        case _:
            return False


def _fault(detail: ErrorDetails) -> dict[str, Any]:
    place = [part[:_MAX_PLACE_CHARACTERS] if isinstance(part, str) else part for part in detail["loc"]]
    return {"loc": place, "msg": detail["msg"].removeprefix("Value error, ")[:_MAX_MESSAGE_CHARACTERS]}
