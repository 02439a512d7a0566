"""The place where a page of a table's query ended, as text that serves that query alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import quote, unquote

from chalicelib.errors import InvalidRequest
from chalicelib.ports.table import Query

_DIGEST_BYTES = 12


def encode(query: Query, position: tuple[str, ...]) -> str:
    """
    Write down the last *position* of a page of *query*: the sort key, or (sort key, partition, sort) in an index.

    It holds for the same table, partition, index, order and narrowing, with any limit. The digest catches mistakes,
    not forgers: whoever makes one up gets another place in a partition that the caller may read anyway.
    """
    payload = "/".join(quote(part, safe="") for part in position).encode()
    return base64.urlsafe_b64encode(_digest(query, payload) + payload).rstrip(b"=").decode()


def decode(query: Query, cursor: str) -> tuple[str, ...]:
    """Read what `encode` wrote for *query*. Raises `InvalidRequest` for anything else."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise _refused() from error
    position = tuple(unquote(part) for part in raw[_DIGEST_BYTES:].decode("ascii", "replace").split("/"))
    parts = 1 if query.index is None else 3
    if len(position) != parts or not hmac.compare_digest(encode(query, position).encode(), cursor.encode()):
        raise _refused()
    return position


def _digest(query: Query, payload: bytes) -> bytes:
    asked = [query.table, query.partition, query.index, query.prefix, query.first, query.last, query.descending]
    return hashlib.blake2b(json.dumps(asked).encode() + payload, digest_size=_DIGEST_BYTES).digest()


def _refused() -> InvalidRequest:
    return InvalidRequest("The cursor does not belong to this query; ask for the first page, without a cursor.")
