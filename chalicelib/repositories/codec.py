"""Entities to JSON and back; an entity's own row version travels beside the data, not in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar, cast

from pydantic import JsonValue, TypeAdapter

from chalicelib.ports.table import Item

EntityT = TypeVar("EntityT")


class Codec(Generic[EntityT]):
    """Translates one kind of entity, a frozen dataclass of the domain."""

    def __init__(self, entity: type[EntityT]) -> None:
        self._adapter: TypeAdapter[EntityT] = TypeAdapter(entity)
        self._versioned = "version" in getattr(entity, "__dataclass_fields__", {})

    def dump(self, entity: EntityT) -> dict[str, JsonValue]:
        """Give the JSON of *entity*, times in RFC 3339, without its row version."""
        data = cast("dict[str, JsonValue]", self._adapter.dump_python(entity, mode="json"))
        data.pop("version", None)
        return data

    def load(self, item: Item) -> EntityT:
        """Give the entity that *item* holds."""
        return self.parse({**item.data, "version": item.version} if self._versioned else item.data)

    def parse(self, data: Mapping[str, JsonValue]) -> EntityT:
        """Give the entity whose JSON is *data*."""
        return self._adapter.validate_python(data)
