"""What every queue refuses before it does anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

from chalicelib.errors import InvalidRequest
from chalicelib.ports.queue import GROUP_PATTERN, MAX_BODY_BYTES, MAX_DELAY_S, MAX_LEASE_S, MAX_RECEIVE


def encode(body: Mapping[str, JsonValue]) -> str:
    """Give *body* as JSON. Raises `InvalidRequest` for what JSON in UTF-8 cannot carry, or a queue cannot."""
    try:
        text = json.dumps(dict(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The work cannot be written as JSON: {error}.") from error
    if size > MAX_BODY_BYTES:
        raise InvalidRequest(f"The work has {size} bytes of JSON; at most {MAX_BODY_BYTES} fit: send a key to it.")
    return text


def check_group(group: str | None) -> None:
    """Raise `InvalidRequest` for a group that has no plain name."""
    if group is not None and not re.fullmatch(GROUP_PATTERN, group):
        raise InvalidRequest(f"The group {group[:200]!r} is not {GROUP_PATTERN}.")


def check_delay(delay_s: float) -> None:
    """Raise `InvalidRequest` for a delay that no queue keeps to."""
    _check("delay_s", delay_s, 0, MAX_DELAY_S)


def check_limit(limit: int) -> None:
    """Raise `InvalidRequest` for none, or more messages than are given at once."""
    _check("limit", limit, 1, MAX_RECEIVE)


def check_lease(lease_s: float) -> None:
    """Raise `InvalidRequest` for a lease of no time, or over the longest."""
    if not 0 < lease_s <= MAX_LEASE_S:
        raise InvalidRequest(f"lease_s {lease_s:g} is not above 0 and at most {MAX_LEASE_S}.")


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidRequest(f"{name} {value:g} is outside {low:g} to {high:g}.")
