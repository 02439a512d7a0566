"""
Names of indexes to those that S3 Vectors takes, and back: no two names ever meet.

A name that the service takes stays as it is, which holds for all that `repositories.keys` makes. Any other is written
in base 32 behind a mark that begins no name of the platform's, since a tenant's id has three characters or more.
"""

from __future__ import annotations

import base64
import re

from chalicelib.errors import InvalidRequest

MARK = "0."
MAX_ESCAPED_BYTES = 38
_TAKEN = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OF_AN_INDEX = re.compile(r"[a-z0-9-]{3,}\.[a-z0-9-]{3,}\.g\d*$")
"""As `repositories.keys` makes them: whatever they begin, the service takes as it is."""
_PREFIX = re.compile(r"[a-z0-9.-]{1,63}")


def service_name(name: str) -> str:
    """Give the service's name of the index *name*. Raises `InvalidRequest` for one empty or too long to be escaped."""
    if _TAKEN.fullmatch(name) and not name.startswith(MARK):
        return name
    raw = name.encode()
    if not 1 <= len(raw) <= MAX_ESCAPED_BYTES:
        raise InvalidRequest(f"vector index {name[:80]!r} has no name in S3 Vectors; use 3 to 63 of a-z, 0-9, '.', '-'")
    return MARK + base64.b32hexencode(raw).decode().lower().rstrip("=")


def index_name(service: str) -> str:
    """Give back the name that `service_name` made *service* from."""
    if not service.startswith(MARK):
        return service
    escaped = service.removeprefix(MARK).upper()
    return base64.b32hexdecode(escaped + "=" * (-len(escaped) % 8)).decode()


def service_prefixes(prefix: str) -> list[str]:
    """Give the prefixes below which all indexes lie whose names begin with *prefix*, others too."""
    if not prefix or _OF_AN_INDEX.match(prefix):
        return [prefix]
    return [prefix, MARK] if _PREFIX.fullmatch(prefix) else [MARK]
