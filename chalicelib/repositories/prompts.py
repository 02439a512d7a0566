"""Prompts by name, each with every version it ever had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.prompts import Prompt, PromptVersion, parts_of
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import Item, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec
from chalicelib.repositories.versioned import all_beside

MAX_PROMPTS = 500
MAX_REMEMBERED = 256

_prompts = Codec(Prompt)
_versions = Codec(PromptVersion)


class Prompts:
    """The prompts of all tenants, one tenant at a time. Nothing changes or deletes a version: releases name them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._read: dict[tuple[Tenant, str], PromptVersion] = {}

    def all(self, tenant: Tenant) -> list[Prompt]:
        """Give every prompt, by name."""
        return list(self._stored(tenant))

    def get(self, tenant: Tenant, name: str) -> Prompt:
        """Give the prompt. Raises `NotFound`."""
        item = self._table.get(keys.prompt(tenant, name))
        if item is None:
            raise NotFound(f"There is no prompt {name!r}. GET /prompts lists those there are.")
        return _prompts.load(item)

    def create(self, tenant: Tenant, prompt: Prompt, first: PromptVersion, note: Note | None = None) -> None:
        """Store a new prompt with its first version. Raises `Conflict` for a name that is taken, or too many."""
        if len(self.all(tenant)) >= MAX_PROMPTS:
            raise Conflict(f"There are {MAX_PROMPTS} prompts, which is as many as there can be; add a version to one.")
        puts = Put(_row(tenant, prompt), if_absent=True), Put(_version_row(tenant, first), if_absent=True)
        try:
            self._table.write(*puts, *told(note, None, _versions.dump(first)))
        except ConditionFailed as lost:
            raise Conflict(f"A prompt {prompt.name!r} exists already; add a version to it.") from lost

    def add_version(
        self, tenant: Tenant, name: str, make: Callable[[int], PromptVersion], note: Note | None = None
    ) -> PromptVersion:
        """
        Store what *make* gives for the next number, and give it.

        Raises `NotFound`, and `Conflict` where it says what the latest version says, or somebody else adds one.
        """
        prompt = self.get(tenant, name)
        latest, added = self.version(tenant, name, prompt.latest), make(prompt.latest + 1)
        if (latest.system, latest.user) == (added.system, added.user):
            raise Conflict(f"Version {latest.number} of prompt {name!r} says the same.")
        moved = replace(
            prompt,
            latest=added.number,
            updated_at=added.created_at,
            updated_by=added.created_by,
            version=prompt.version + 1,
        )
        event = told(note, _versions.dump(latest), _versions.dump(added))
        self._write(prompt, moved, Put(_version_row(tenant, added), if_absent=True), *event, tenant=tenant)
        return added

    def update(self, tenant: Tenant, name: str, change: Callable[[Prompt], Prompt], note: Note | None = None) -> Prompt:
        """Store what *change* makes of the prompt, its versions aside. Raises `NotFound` and `Conflict`."""
        prompt = self.get(tenant, name)
        changed = replace(change(prompt), version=prompt.version + 1)
        self._write(prompt, changed, *told(note, _prompts.dump(prompt), _prompts.dump(changed)), tenant=tenant)
        return changed

    def version(self, tenant: Tenant, name: str, number: int) -> PromptVersion:
        """Give one version. Raises `NotFound`."""
        item = self._table.get(keys.prompt_version(tenant, name, number))
        if item is None:
            raise NotFound(f"There is no version {number} of a prompt {name!r}.")
        return _versions.load(item)

    def versions(
        self, tenant: Tenant, name: str, *, limit: int, cursor: str | None
    ) -> tuple[list[PromptVersion], str | None]:
        """Give at most *limit* versions, newest first, and the next cursor. Raises `NotFound`."""
        self.get(tenant, name)
        key = keys.prompt_version(tenant, name, 0)
        page = self._table.query(Query(key.table, key.partition, descending=True, limit=limit, cursor=cursor))
        return [_versions.load(item) for item in page.items], page.cursor

    def find(self, tenant: Tenant, reference: str) -> PromptVersion:
        """
        Give the version that a well-formed *reference* names. Raises `NotFound`.

        What a number names is remembered: it never changes.
        """
        known = self._read.get((tenant, reference))
        if known is not None:
            return known
        name, choice = parts_of(reference)
        number = choice if isinstance(choice, int) else self._number(tenant, name, choice)
        version = self.version(tenant, name, number)
        if len(self._read) >= MAX_REMEMBERED:
            self._read.clear()
        self._read[tenant, version.reference] = version
        return version

    def _number(self, tenant: Tenant, name: str, label: str | None) -> int:
        prompt = self.get(tenant, name)
        if label is None:
            return prompt.latest
        if label not in prompt.labels:
            there = ", ".join(sorted(prompt.labels)) or "none"
            raise NotFound(f"Prompt {name!r} has no label {label!r}; it has {there}.")
        return prompt.labels[label]

    def _stored(self, tenant: Tenant) -> Iterator[Prompt]:
        return map(_prompts.load, all_beside(self._table, keys.prompt(tenant, "*"), MAX_PROMPTS))

    def _write(self, before: Prompt, after: Prompt, *more: Put, tenant: Tenant) -> None:
        try:
            self._table.write(Put(_row(tenant, after), if_version=before.version), *more)
        except ConditionFailed as lost:
            raise Conflict(f"Prompt {before.name!r} was changed by somebody else; read it again.") from lost


def _row(tenant: Tenant, prompt: Prompt) -> Item:
    return Item(keys.prompt(tenant, prompt.name), _prompts.dump(prompt), version=prompt.version)


def _version_row(tenant: Tenant, version: PromptVersion) -> Item:
    return Item(keys.prompt_version(tenant, version.name, version.number), _versions.dump(version))
