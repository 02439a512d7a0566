"""IAM's answer to a request under one policy, as far as the platform's policies go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Context = Mapping[str, Sequence[str]]
"""Condition keys of a request and their values; one that is absent has none."""


def allows(policy: str, action: str, resource: str, context: Context) -> bool:
    """
    Say whether *policy* allows it: some statement does, and none denies.

    IAM User Guide, Policy evaluation logic; JSON policy elements: Condition operators.
    """
    effects = {
        statement["Effect"]
        for statement in json.loads(policy)["Statement"]
        if _fits(statement, action, resource, context)
    }
    return effects == {"Allow"}


def _fits(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in _several(statement["Action"]))
        and any(_like(pattern, resource) for pattern in _several(statement["Resource"]))
        and all(
            _holds(operator, name, _several(wanted), context)
            for operator, pairs in statement.get("Condition", {}).items()
            for name, wanted in pairs.items()
        )
    )


def _holds(operator: str, name: str, wanted: Sequence[str], context: Context) -> bool:
    given = context.get(name)
    match operator:
        case "Null":
            return (given is None) == (wanted[0] == "true")
        case "ForAllValues:StringLike":  # true of none
            return all(any(_like(pattern, value) for pattern in wanted) for value in given or ())
        case "StringLike":
            return given is not None and any(_like(pattern, value) for pattern in wanted for value in given)
    raise NotImplementedError(operator)


def _like(pattern: str, text: str) -> bool:
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _several(one: str | Sequence[str]) -> Sequence[str]:
    return [one] if isinstance(one, str) else one
