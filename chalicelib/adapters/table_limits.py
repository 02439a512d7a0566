"""What DynamoDB refuses, refused alike by every table store, with a message that says why."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chalicelib.errors import InvalidRequest
from chalicelib.ports.table import (
    MAX_BATCH_GET,
    MAX_ITEM_BYTES,
    MAX_PAGE_ITEMS,
    MAX_PARTITION_BYTES,
    MAX_SORT_BYTES,
    MAX_WRITE_BYTES,
    MAX_WRITE_OPERATIONS,
    Item,
    Key,
    Operation,
    Put,
    Query,
)


def encode_write(operations: Sequence[Operation]) -> list[str | None]:
    """Check *operations* against every limit, and give the JSON of each `Put`, None for the others."""
    if len(operations) > MAX_WRITE_OPERATIONS:
        raise InvalidRequest(f"{len(operations)} operations in one write; at most {MAX_WRITE_OPERATIONS} go together.")
    check_distinct([key_of(operation) for operation in operations])
    texts = [_encode_put(operation) if isinstance(operation, Put) else None for operation in operations]
    size = sum(_bytes_of(text) for text in texts if text)
    if size > MAX_WRITE_BYTES:
        raise InvalidRequest(f"{size} bytes in one write; at most {MAX_WRITE_BYTES} go together: write in parts.")
    return texts


def check_batch(keys: Sequence[Key]) -> None:
    """Raise `InvalidRequest` unless *keys* can be asked for at once."""
    if len(keys) > MAX_BATCH_GET:
        raise InvalidRequest(f"{len(keys)} keys in one read; at most {MAX_BATCH_GET} go together.")
    check_distinct(keys)


def check_distinct(keys: Sequence[Key]) -> None:
    """Raise `InvalidRequest` for a bad key, or one that stands twice in *keys*."""
    for key in keys:
        check_key(key)
    if len(set(keys)) != len(keys):
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise InvalidRequest(f"The key {twice.partition!r}, {twice.sort!r} stands twice in one call.")


def check_key(key: Key) -> None:
    """Raise `InvalidRequest` for a key that is empty or too long."""
    _check_part("partition key", key.partition, MAX_PARTITION_BYTES)
    _check_part("sort key", key.sort, MAX_SORT_BYTES)


def check_query(query: Query) -> None:
    """Raise `InvalidRequest` unless *query* is one that DynamoDB could answer; its cursor is not looked at."""
    _check_part("partition key", query.partition, MAX_PARTITION_BYTES)
    if not 1 <= query.limit <= MAX_PAGE_ITEMS:
        raise InvalidRequest(f"limit {query.limit} is outside 1 to {MAX_PAGE_ITEMS}.")
    bounds = [bound for bound in (query.first, query.last) if bound is not None]
    if query.prefix is not None and bounds:
        raise InvalidRequest("A query is narrowed by prefix, or by first and last, but not by both.")
    for text in (query.prefix, *bounds):
        _bytes_of(text or "")


def key_of(operation: Operation) -> Key:
    """Give the key that *operation* is about."""
    return operation.item.key if isinstance(operation, Put) else operation.key


def _encode_put(put: Put) -> str:
    if put.if_absent and put.if_version is not None:
        raise InvalidRequest("A put asks for if_absent or if_version, but not for both.")
    item = put.item
    for place in (item.gsi1, item.gsi2):
        if place is not None:
            _check_part("index partition key", place[0], MAX_PARTITION_BYTES)
            _check_part("index sort key", place[1], MAX_SORT_BYTES)
    text = _encode(item)
    size = _bytes_of(text)
    if size > MAX_ITEM_BYTES:
        raise InvalidRequest(f"The item {item.key.sort!r} has {size} bytes of JSON; at most {MAX_ITEM_BYTES} fit.")
    return text


def _encode(item: Item) -> str:
    try:
        return json.dumps(dict(item.data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The item {item.key.sort!r} cannot be written as JSON: {error}.") from error


def _check_part(name: str, text: str, limit: int) -> None:
    size = _bytes_of(text)
    if not 1 <= size <= limit:
        raise InvalidRequest(f"A {name} of {size} bytes: it has 1 to {limit} in UTF-8.")


def _bytes_of(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest("The text holds half of a surrogate pair, which UTF-8 cannot carry.") from error
