"""JSON and JSON Lines: values beside their paths, objects of one shape as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import encodings, plain
from fargate.ingestion.parsers.building import DocumentBuilder, clean, one_line
from fargate.ingestion.parsers.records import Facts, short_name, write_table
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/json", "application/jsonl")

_DEEPEST = 100
_LABELS = ("title", "name", "label", "subject", "id")
_LONGEST_LABEL = 100
_LITERALS = {True: "true", False: "false", None: "null"}


def parse(source: Source) -> ParsedDocument:
    """
    Read *source*; what is no JSON after all is read as the text it is, and a warning says so.

    Raises `DocumentRejected`: `unreadable` where it is nested beyond reason, `empty` where it holds no value.
    """
    text = clean(encodings.decode(source.data, source.language))
    try:
        value, broken = _read(text)
    except ValueError:
        return replace(plain.parse(source), warnings=("not_valid_json",))
    except RecursionError as error:
        raise _too_deep(source.name) from error
    builder = DocumentBuilder(source)
    _Writer(builder, source.name).write(value)
    builder.add(BlockKind.TEXT, "\n".join(broken))
    return builder.build(title=_label(value) or source.stem, warnings=("lines_not_valid_json",) if broken else ())


def load(text: str) -> Any:
    """Read one JSON value, its numbers as they are written. Raises `ValueError` and `RecursionError`."""
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, strict=False)


def _read(text: str) -> tuple[Any, list[str]]:
    """Give the value of a whole text; or else the values of its lines, and the few lines that are broken."""
    try:
        return load(text), []
    except ValueError:
        lines = [line for line in text.split("\n") if line.strip()]
        read = [_read_line(line) for line in lines]
        broken = [line for line, values in zip(lines, read, strict=True) if not values]
        if 2 * len(broken) >= len(lines):
            raise
        return [value for values in read for value in values], broken


def _read_line(line: str) -> list[Any]:
    try:
        return [load(line)]
    except ValueError:
        return []


class _Writer:
    """Writes a value: what stands at the top first, then each object and list in it under a heading of its own."""

    def __init__(self, builder: DocumentBuilder, name: str) -> None:
        self._builder = builder
        self._facts = Facts(builder)
        self._name = name

    def write(self, value: Any) -> None:
        if isinstance(value, Mapping):
            groups = {key: inner for key, inner in value.items() if _line_of(inner) is None}
            self._inside("", {key: inner for key, inner in value.items() if key not in groups}, 0)
            for key, inner in groups.items():
                self._section(key, inner, 1)
        else:
            self._items(value if isinstance(value, list) else [value], 1)
        self._facts.end()

    def _section(self, label: str, value: Any, level: int) -> None:
        self._facts.end()
        self._builder.heading(label, level)
        if isinstance(value, list):
            self._items(value, level + 1)
        else:
            self._inside("", value, 0)

    def _items(self, items: Sequence[Any], level: int) -> None:
        if self._table(items, ""):
            return
        for number, item in enumerate(items, 1):
            line = _line_of(item)
            if line is not None:
                self._facts.say("", line)
            elif isinstance(item, Mapping):
                self._section(_label(item) or f"#{number}", item, level)
            else:
                self._inside(f"[{number}]", item, 0)

    def _inside(self, path: str, value: Any, depth: int) -> None:
        line = _line_of(value)
        if depth > _DEEPEST:
            raise _too_deep(self._name)
        if line is not None:
            self._facts.say(path, line)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                name = short_name(key)
                self._inside(f"{path}.{name}" if path else name, inner, depth + 1)
        elif not self._table(value, path):
            for number, inner in enumerate(value, 1):
                self._inside(f"{path}[{number}]", inner, depth + 1)

    def _table(self, items: Sequence[Any], path: str) -> bool:
        records = []
        for item in items:
            if not isinstance(item, Mapping):
                return False
            record = dict(_flat(item))
            if None in record.values():
                return False
            records.append({name: value or "" for name, value in record.items()})
        if len(records) > 1:
            self._facts.end()
        return write_table(self._builder, records, path)


def _flat(value: Mapping[str, Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, str | None]]:
    """Give each value of an object with its path; None for one that is no line, and so cannot stand in a cell."""
    for key, inner in value.items():
        name = f"{path}.{short_name(key)}" if path else short_name(key)
        if isinstance(inner, Mapping) and inner and depth < _DEEPEST:
            yield from _flat(inner, name, depth + 1)
        else:
            yield name, _line_of(inner)


def _line_of(value: Any) -> str | None:
    """Write a value, or a list of values; None for what holds objects or lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(_is_single(inner) for inner in value):
        return ", ".join(filter(None, map(_line_of, value)))
    if isinstance(value, (list, Mapping)):
        return None if value else ""
    return _LITERALS[value]


def _is_single(value: Any) -> bool:
    return not (value and isinstance(value, (list, Mapping)))


def _label(value: Any) -> str:
    """Give what an object calls itself; empty where it does not."""
    if not isinstance(value, Mapping):
        return ""
    named = (value.get(key) for key in _LABELS)
    labels = (one_line(text) for text in named if isinstance(text, str))
    return next((label for label in labels if 0 < len(label) <= _LONGEST_LABEL), "")


def _too_deep(name: str) -> DocumentRejected:
    return DocumentRejected("unreadable", f"{name} is nested more deeply than any real document.")
