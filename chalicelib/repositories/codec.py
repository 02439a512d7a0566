"""Entities to JSON and back; an entity's own row version travels beside the data, not in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from pydantic import JsonValue, TypeAdapter

from chalicelib.ports.table import Item

EntityT = TypeVar("EntityT")


class Codec(Generic[EntityT]):
    """Translates one kind of entity, a frozen dataclass of the domain."""

    def __init__(self, entity: type[EntityT]) -> None:
        self._adapter: TypeAdapter[EntityT] = TypeAdapter(entity)

    def dump(self, entity: EntityT) -> dict[str, JsonValue]:
        """Give the JSON of *entity*, times in RFC 3339, without its row version."""
        data = cast("dict[str, JsonValue]", self._adapter.dump_python(entity, mode="json"))
        data.pop("version", None)
        return data

    def load(self, item: Item) -> EntityT:
        """Give the entity that *item* holds."""
        entity = self.parse(item.data)
        return cast("EntityT", replace(cast("Any", entity), version=item.version)) if _versioned(entity) else entity

    def parse(self, data: Mapping[str, JsonValue]) -> EntityT:
        """Give the entity whose JSON is *data*."""
        return self._adapter.validate_python(data)


def _versioned(entity: object) -> bool:
    return "version" in getattr(type(entity), "__dataclass_fields__", {})
