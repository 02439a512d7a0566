"""Holds every answer to what the API's own description says of it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.openapi import document

DOCUMENT = document(RESOURCES, "1.2.3")


def check_described(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Fail unless an answer's status, media type and body are among those described for its operation, if it is one."""
    template = _template(path)
    if template is None or method.lower() not in DOCUMENT["paths"][template]:
        return
    assert str(status) in _responses(method, template), f"{status} is not described for {method} {template}"
    content = _responses(method, template)[str(status)]["content"]
    assert headers["content-type"] in content
    problems = [error.message for error in _validator(method, template, str(status)).iter_errors(body)]
    assert not problems, f"{method} {template} answered {status} with {problems}"


def faults(schema: Mapping[str, Any], value: object) -> list[str]:
    """Say what of *value* does not fit *schema*, a part of the description."""
    return [error.message for error in _validator_of(schema).iter_errors(value)]


def _template(path: str) -> str | None:
    """Give the path of the description that *path* is one of; fixed parts win over parameters, as in the gateway."""
    return next((one for pattern, one in _patterns() if pattern.fullmatch(path)), None)


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    templates = sorted(DOCUMENT["paths"], key=lambda one: str(one).count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", one)), one) for one in templates]


@functools.cache
def _responses(method: str, template: str) -> dict[str, Any]:
    named = DOCUMENT["paths"][template][method.lower()]["responses"]
    return {status: _resolved(response) for status, response in named.items()}


@functools.cache
def _validator(method: str, template: str, status: str) -> Draft202012Validator:
    (content,) = _responses(method, template)[status]["content"].values()
    return _validator_of(content["schema"])


def _validator_of(schema: Mapping[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def _resolved(response: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = response.get("$ref")
    return DOCUMENT["components"]["responses"][reference.rpartition("/")[2]] if reference else response
