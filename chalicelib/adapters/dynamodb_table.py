"""The metadata store in DynamoDB: one physical table for each family, all of one shape."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from pydantic_core import from_json

from chalicelib.adapters import table_cursor
from chalicelib.adapters.aws_clients import ATTEMPTS, aws_errors, back_off, error_code, was_retried
from chalicelib.adapters.table_limits import check_batch, check_key, check_query, encode_write, key_of
from chalicelib.errors import ConditionFailed, Unavailable
from chalicelib.ports.clock import Clock
from chalicelib.ports.table import (
    MAX_PAGE_BYTES,
    Check,
    Delete,
    IndexName,
    Item,
    Key,
    Operation,
    Page,
    Put,
    Query,
    TableName,
)

_MEETING = "TransactionConflict"
_CROWDED = "Others write to the same items all the time; try again."

_INDEX_KEYS = {None: ("pk", "sk"), IndexName.GSI1: ("gsi1pk", "gsi1sk"), IndexName.GSI2: ("gsi2pk", "gsi2sk")}
_NAMES = {"#v": "version", "#e": "expires_at"}
_ABSENT = "(attribute_not_exists(pk) OR #e < :now)"
_AS_READ = "#v = :version AND (attribute_not_exists(#e) OR #e >= :now)"

Attributes = dict[str, dict[str, Any]]


class DynamoDbTable:
    """
    See `ports.table.Table`. *client* is one of boto3's; the tables' names begin with *prefix*.

    An item's data is one attribute of JSON text, so that numbers come back exactly as they went in. In a secondary
    index, DynamoDB may give equal sort keys in another order than that of their primary keys.
    """

    def __init__(self, client: Any, prefix: str, clock: Clock) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock

    def get(self, key: Key) -> Item | None:
        """See `Table.get`."""
        check_key(key)
        with aws_errors(str(key.table)):
            answer = self._client.get_item(TableName=self._name(key.table), Key=_key(key), ConsistentRead=True)
        return self._living(key.table, answer.get("Item"))

    def batch_get(self, keys: Sequence[Key]) -> Sequence[Item]:
        """See `Table.batch_get`."""
        check_batch(keys)
        asked: dict[str, Any] = {}
        for key in keys:
            asked.setdefault(self._name(key.table), {"Keys": [], "ConsistentRead": True})["Keys"].append(_key(key))
        return list(self._batch(asked))

    def write(self, *operations: Operation) -> None:
        """See `Table.write`."""
        texts = encode_write(operations)
        if len(operations) == 1 and not isinstance(operations[0], Check):
            self._write_one(operations[0], texts[0])
        elif operations:
            self._write_all(operations, texts)

    def query(self, query: Query) -> Page:
        """See `Table.query`."""
        check_query(query)
        items: list[Item] = []
        size = 0
        # One more than asked for tells whether there is a next page; expired ones are read and left out.
        for item, item_size in self._found(query):
            size += item_size
            if len(items) == query.limit or (items and size > MAX_PAGE_BYTES):
                return Page(tuple(items), table_cursor.encode(query, _position(items[-1], query.index)))
            items.append(item)
        return Page(tuple(items))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _batch(self, asked: dict[str, Any]) -> Iterator[Item]:
        for attempt in range(ATTEMPTS):
            if not asked:
                return
            if attempt:
                back_off(attempt)
            with aws_errors("The table store"):
                answer = self._client.batch_get_item(RequestItems=asked)
            for name, found in answer["Responses"].items():
                table = TableName(name.removeprefix(self._prefix))
                yield from (item for raw in found if (item := self._living(table, raw)) is not None)
            asked = answer.get("UnprocessedKeys") or {}
        raise Unavailable("The table store is too busy to read a batch; try again.")

    def _write_one(self, operation: Put | Delete, text: str | None) -> None:
        call = self._put(operation, text) if isinstance(operation, Put) else self._delete(operation)
        send = self._client.put_item if isinstance(operation, Put) else self._client.delete_item
        for attempt in range(1, ATTEMPTS + 1):
            with aws_errors(str(key_of(operation).table)):
                try:
                    send(**call)
                except ClientError as error:
                    if not self._may_go_on(operation, text, error):
                        return
                else:
                    return
            back_off(attempt)
        raise Unavailable(_CROWDED)

    def _may_go_on(self, operation: Put | Delete, text: str | None, error: ClientError) -> bool:
        """Say whether to send *operation* again, or that it is done after all. Raises what it was refused for."""
        if error_code(error) == _MEETING + "Exception":
            return True
        if error_code(error) != "ConditionalCheckFailedException":
            raise error
        if not (was_retried(error.response) and self._is_done(operation, text)):
            raise _refused(operation, 0) from None
        return False

    def _is_done(self, operation: Put | Delete, text: str | None) -> bool:
        """Say whether a write whose answer was lost, and which was refused when it was sent again, is there."""
        answer = self._client.get_item(
            TableName=self._name(key_of(operation).table), Key=_key(key_of(operation)), ConsistentRead=True
        )
        found = answer.get("Item")
        return found == _attributes(operation.item, text or "") if isinstance(operation, Put) else found is None

    def _write_all(self, operations: Sequence[Operation], texts: Sequence[str | None]) -> None:
        parts = [self._part(operation, text) for operation, text in zip(operations, texts, strict=True)]
        token = str(uuid.uuid4())  # whoever sends this again, it is carried out once
        for attempt in range(1, ATTEMPTS + 1):
            with aws_errors("The table store"):
                try:
                    self._client.transact_write_items(TransactItems=parts, ClientRequestToken=token)
                except self._client.exceptions.TransactionCanceledException as error:
                    _check_reasons(operations, error.response.get("CancellationReasons", []))
                else:
                    return
            back_off(attempt)
            token = str(uuid.uuid4())
        raise Unavailable(_CROWDED)

    def _part(self, operation: Operation, text: str | None) -> dict[str, Any]:
        if isinstance(operation, Put):
            return {"Put": self._put(operation, text)}
        if isinstance(operation, Delete):
            return {"Delete": self._delete(operation)}
        return {"ConditionCheck": self._target(operation.key) | self._condition(operation.if_version)}

    def _put(self, put: Put, text: str | None) -> dict[str, Any]:
        conditional = put.if_absent or put.if_version is not None
        condition = self._condition(put.if_version) if conditional else {}
        return {"TableName": self._name(put.item.key.table), "Item": _attributes(put.item, text or "")} | condition

    def _delete(self, delete: Delete) -> dict[str, Any]:
        condition = self._condition(delete.if_version) if delete.if_version is not None else {}
        return self._target(delete.key) | condition

    def _target(self, key: Key) -> dict[str, Any]:
        return {"TableName": self._name(key.table), "Key": _key(key)}

    def _condition(self, version: int | None) -> dict[str, Any]:
        """Ask for *version*, or that nothing is there; what has expired is not there."""
        now = {":now": {"N": str(Decimal(repr(self._now())))}}
        if version is None:
            names = {"#e": _NAMES["#e"]}
            return {"ConditionExpression": _ABSENT, "ExpressionAttributeNames": names, "ExpressionAttributeValues": now}
        values = now | {":version": {"N": str(version)}}
        return {
            "ConditionExpression": _AS_READ,
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": values,
        }

    def _found(self, query: Query) -> Iterator[tuple[Item, int]]:
        """Give each item with the size of its data, in characters."""
        call = self._asked(query)
        while True:
            with aws_errors(str(query.table)):
                answer = self._client.query(**call)
            for raw in answer["Items"]:
                if (item := self._living(query.table, raw)) is not None:
                    yield item, len(raw["data"]["S"])
            if "LastEvaluatedKey" not in answer:
                return
            call["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _asked(self, query: Query) -> dict[str, Any]:
        partition, sort = _INDEX_KEYS[query.index]
        condition, values = _narrowed(query)
        call: dict[str, Any] = {
            "TableName": self._name(query.table),
            "KeyConditionExpression": f"#p = :p{condition}",
            "ExpressionAttributeNames": {"#p": partition} | ({"#s": sort} if condition else {}),
            "ExpressionAttributeValues": {":p": {"S": query.partition}} | values,
            "ScanIndexForward": not query.descending,
            "Limit": query.limit + 1,
        }
        if query.index is None:
            call["ConsistentRead"] = True
        else:
            call["IndexName"] = query.index.value
        if query.cursor is not None:
            call["ExclusiveStartKey"] = _start(query, table_cursor.decode(query, query.cursor))
        return call

    def _living(self, table: TableName, raw: Mapping[str, Any] | None) -> Item | None:
        """Give the item, unless it has expired and DynamoDB has not taken it away yet."""
        if raw is None:
            return None
        item = _item(table, raw)
        return None if item.expires_at is not None and item.expires_at < self._now() else item

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _name(self, table: TableName) -> str:
        return f"{self._prefix}{table.value}"


def definition(table: TableName, prefix: str) -> dict[str, Any]:
    """Give what CreateTable takes for *table*; the template of the platform's data says the same."""
    names = [name for pair in _INDEX_KEYS.values() for name in pair]
    return {
        "TableName": f"{prefix}{table.value}",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "KeySchema": _schema(None),
        "GlobalSecondaryIndexes": [
            {"IndexName": index.value, "KeySchema": _schema(index), "Projection": {"ProjectionType": "ALL"}}
            for index in IndexName
        ],
    }


def _schema(index: IndexName | None) -> list[dict[str, str]]:
    partition, sort = _INDEX_KEYS[index]
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def _key(key: Key) -> Attributes:
    return {"pk": {"S": key.partition}, "sk": {"S": key.sort}}


def _attributes(item: Item, text: str) -> Attributes:
    attributes = _key(item.key) | {"data": {"S": text}, "version": {"N": str(item.version)}}
    if item.expires_at is not None:
        attributes["expires_at"] = {"N": str(item.expires_at)}
    for index, place in ((IndexName.GSI1, item.gsi1), (IndexName.GSI2, item.gsi2)):
        if place is not None:
            attributes |= dict(zip(_INDEX_KEYS[index], ({"S": place[0]}, {"S": place[1]}), strict=True))
    return attributes


def _item(table: TableName, raw: Mapping[str, Any]) -> Item:
    return Item(
        Key(table, raw["pk"]["S"], raw["sk"]["S"]),
        from_json(raw["data"]["S"]),
        int(raw["version"]["N"]),
        int(raw["expires_at"]["N"]) if "expires_at" in raw else None,
        _place(raw, IndexName.GSI1),
        _place(raw, IndexName.GSI2),
    )


def _place(raw: Mapping[str, Any], index: IndexName) -> tuple[str, str] | None:
    partition, sort = _INDEX_KEYS[index]
    return (raw[partition]["S"], raw[sort]["S"]) if partition in raw else None


def _narrowed(query: Query) -> tuple[str, Attributes]:
    if query.prefix:
        return " AND begins_with(#s, :prefix)", {":prefix": {"S": query.prefix}}
    first, last = {":first": {"S": query.first}}, {":last": {"S": query.last}}
    if query.first and query.last is not None:
        return " AND #s BETWEEN :first AND :last", first | last
    if query.first:
        return " AND #s >= :first", first
    return (" AND #s <= :last", last) if query.last is not None else ("", {})


def _start(query: Query, position: tuple[str, ...]) -> Attributes:
    if query.index is None:
        return {"pk": {"S": query.partition}, "sk": {"S": position[0]}}
    partition, sort = _INDEX_KEYS[query.index]
    place = {partition: {"S": query.partition}, sort: {"S": position[0]}}
    return place | {"pk": {"S": position[1]}, "sk": {"S": position[2]}}


def _position(item: Item, index: IndexName | None) -> tuple[str, ...]:
    if index is None:
        return (item.key.sort,)
    place = item.gsi1 if index is IndexName.GSI1 else item.gsi2
    assert place is not None  # it was found by that index
    return (place[1], item.key.partition, item.key.sort)


def _check_reasons(operations: Sequence[Operation], reasons: Sequence[Mapping[str, Any]]) -> None:
    """Raise for a transaction that would be refused again; return where it only met another one."""
    codes = [str(reason.get("Code")) for reason in reasons]
    if "ConditionalCheckFailed" in codes:
        place = codes.index("ConditionalCheckFailed")
        raise _refused(operations[place], place)
    if _MEETING not in codes and not any("Throttl" in code or "Exceeded" in code for code in codes):
        raise Unavailable(f"The table store cannot carry this out ({', '.join(sorted(set(codes)))}); try again.")


def _refused(operation: Operation, place: int) -> ConditionFailed:
    absent = operation.if_version is None
    wanted = "it to be absent" if absent else f"version {operation.if_version}"
    return ConditionFailed(f"The item {key_of(operation).sort!r} is not as the write asked: {wanted}.", place)
