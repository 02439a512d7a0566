"""Requests to S3 Vectors, read and held to botocore's service model: also what botocore does not look at itself."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

from tests.fakes.s3_vectors_rules import NAME_PATTERN, PAYLOAD_BYTES

_NAMES = ("vectorBucketName", "indexName")


@dataclass
class Refused(Exception):
    """An answer that says no, by the name of an error of the service model."""

    code: str
    message: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The HTTP status that the model gives the error; 400 where it gives none."""
        shape = model().shape_for(self.code) if self.code in model().shape_names else None
        return int(shape.metadata.get("error", {}).get("httpStatusCode", 400)) if shape else 400


def invalid(message: str, *fields: tuple[str, str]) -> Refused:
    """Give the error for a request that is not valid."""
    return Refused("ValidationException", message, list(fields))


@cache
def model() -> ServiceModel:
    """Give the service model that botocore itself goes by."""
    return ServiceModel(Loader().load_service_model("s3vectors", "service-2"), "s3vectors")


def read_request(method: str, target: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """Give the operation's name and its parameters. Raises `Refused` for what the model does not allow."""
    if len(body) > PAYLOAD_BYTES.limit:
        raise invalid(PAYLOAD_BYTES.beyond)
    operation, params = _operation(method, target)
    params |= _json(body) if body else {}
    found = list(_problems(operation, params))
    if found:
        raise invalid("The request is not valid.", *found)
    return operation.name, params


def _operation(method: str, target: str) -> tuple[OperationModel, dict[str, Any]]:
    parts = urlsplit(target)
    for name in model().operation_names:
        operation = model().operation_model(name)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", operation.http["requestUri"])
        match = re.fullmatch(pattern, parts.path)
        if match and operation.http["method"] == method:
            query = parse_qs(parts.query)
            return operation, {key: unquote(value) for key, value in match.groupdict().items()} | query
    raise Refused("UnknownOperationException", f"{method} {parts.path}")


def _json(body: bytes) -> dict[str, Any]:
    def constant(name: str) -> float:
        raise Refused("SerializationException", f"{name} is no JSON")

    try:
        parsed = json.loads(body, parse_constant=constant)
    except ValueError as error:
        raise Refused("SerializationException", "The body is no JSON") from error
    if not isinstance(parsed, dict):
        raise Refused("SerializationException", "The body is no object")
    return parsed


def _problems(operation: OperationModel, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shape = operation.input_shape
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        yield "", report.generate_report()
        return
    yield from _beyond(shape, params, "")
    for name in _NAMES:
        if name in params and not re.fullmatch(NAME_PATTERN, params[name]):
            yield name, f"must match {NAME_PATTERN}"
    if "indexArn" not in params and "vectorBucketArn" not in params:
        missing = [name for name in _NAMES if name in shape.members and name not in params]
        yield from ((name, "must be given, or the ARN") for name in missing)


def _beyond(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Give each place where *value* is outside what the model's `max`, `min`, `pattern` and `enum` allow."""
    if getattr(shape, "is_document_type", False):
        if not isinstance(value, dict):
            yield path, "must be an object"
    elif shape.type_name in ("integer", "float"):
        yield from _outside(shape, value, path, "")
    elif shape.type_name == "string":
        yield from _beyond_text(shape, value, path)
    elif shape.type_name in ("structure", "list", "map"):
        yield from _beyond_members(shape, value, path)


def _beyond_members(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield path, "must have exactly one member"
    if shape.type_name == "list":
        yield from _outside(shape, len(value), path, "members")
        inner = [(shape.member, one, str(place)) for place, one in enumerate(value)]
    elif shape.type_name == "map":
        inner = [
            (part, one, key) for key, held in value.items() for part, one in ((shape.key, key), (shape.value, held))
        ]
    else:
        inner = [(shape.members[name], one, name) for name, one in value.items()]
    for part, one, place in inner:
        yield from _beyond(part, one, f"{path}/{place}")


def _beyond_text(shape: Shape, value: str, path: str) -> Iterator[tuple[str, str]]:
    yield from _outside(shape, len(value), path, "characters")
    if shape.enum and value not in shape.enum:
        yield path, f"must be one of {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_python_pattern(pattern), value):
        yield path, f"must match {pattern}"


def _python_pattern(pattern: str) -> str:
    """Give a pattern of Java's for `re`: its classes of letters, numbers and spaces are `\\w` and `\\s` here."""
    return pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", r"\d").replace(r"\p{Z}", r"\s")


def _outside(shape: Shape, size: float, path: str, unit: str) -> Iterator[tuple[str, str]]:
    least, most = shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)
    if not least <= size <= most:
        yield path, f"{size} {unit} are outside {least} to {most}"
