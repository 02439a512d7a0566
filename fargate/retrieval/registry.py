"""The components a release chooses from: each with a name, and a schema for its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from chalicelib.contracts.components import ComponentKind, ComponentView
from chalicelib.domain.indexes import Component
from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import Embedder
from chalicelib.ports.services import ModelGateway


class Parameters(BaseModel):
    """What a component can be told; unknown names are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoParameters(Parameters):
    """Nothing can be told."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a component may need of the platform."""

    embedders: Mapping[str, Embedder] = field(default_factory=dict)
    gateway: ModelGateway | None = None

    def models(self) -> ModelGateway:
        """Give the gateway. Raises `InvalidRequest` where none was handed in."""
        if self.gateway is None:
            raise InvalidRequest("This needs a model of the gateway, and there is none here.")
        return self.gateway


MadeT = TypeVar("MadeT")


@dataclass(frozen=True, slots=True)
class Entry(Generic[MadeT]):
    """A component: *make* gives it ready to run, from parameters that fit and the tools."""

    name: str
    description: str
    make: Callable[[Any, Tools], MadeT]
    parameters: type[BaseModel] = NoParameters


class Registry(Mapping[str, Entry[MadeT]]):
    """The components of one *kind*, by name."""

    def __init__(self, kind: ComponentKind, entries: Sequence[Entry[MadeT]]) -> None:
        self._kind = kind
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Entry[MadeT]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def make(self, choice: Component, tools: Tools) -> MadeT:
        """Give what *choice* names. Raises `InvalidRequest` for a name or parameters that are not known."""
        entry = self._entries.get(choice.name)
        if entry is None:
            raise InvalidRequest(f"There is no {self._kind} {choice.name!r}; choose one of {', '.join(self._entries)}.")
        return entry.make(self._parsed(entry, choice.parameters), tools)

    def views(self, default: str) -> Iterator[ComponentView]:
        """Give every component as the wire shows it."""
        for entry in self._entries.values():
            yield ComponentView(
                kind=self._kind,
                name=entry.name,
                description=entry.description,
                parameters=entry.parameters.model_json_schema(),
                default=entry.name == default,
            )

    def _parsed(self, entry: Entry[MadeT], given: Mapping[str, Any]) -> BaseModel:
        try:
            return entry.parameters.model_validate(dict(given))
        except ValidationError as error:
            places = [{"loc": [self._kind.value, *found["loc"]], "msg": found["msg"]} for found in error.errors()]
            what = f"The parameters of {self._kind} {entry.name!r} do not fit; see its schema in GET /v1/components."
            raise InvalidRequest(what, places) from error
