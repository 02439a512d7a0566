"""Jupyter notebooks: Markdown cells as text, code cells as code, and the beginning of what code printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.documents import BlockKind, ParsedDocument
from fargate.ingestion.parsers import encodings, markdown, structured_data
from fargate.ingestion.parsers.building import DocumentBuilder, clean
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/x-ipynb+json",)

_LONGEST_OUTPUT = 2_000
_OUTPUT_LINES = 40


def parse(source: Source) -> ParsedDocument:
    """Read *source* (nbformat 3 or 4); JSON that is no notebook is read as `structured_data` reads it."""
    text = clean(encodings.decode(source.data, source.language))
    try:
        notebook = structured_data.load(text)
    except (ValueError, RecursionError):
        return structured_data.parse(source)
    cells = list(_cells(notebook))
    if not cells:
        return structured_data.parse(source)
    builder = DocumentBuilder(source)
    for cell in cells:
        _write(builder, cell)
    return builder.build(title=_title(notebook))


def _cells(notebook: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(notebook, Mapping):
        return
    sheets = [notebook, *_mappings(notebook.get("worksheets"))]
    for sheet in sheets:
        yield from _mappings(sheet.get("cells"))


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _write(builder: DocumentBuilder, cell: Mapping[str, Any]) -> None:
    text = _joined(cell.get("source", cell.get("input")))
    kind = cell.get("cell_type")
    if kind == "markdown":
        markdown.write(builder, text)
    elif kind == "heading":
        builder.heading(text, int(cell["level"]) if str(cell.get("level")) in "123456" else 1)
    elif kind == "code":
        builder.add(BlockKind.CODE, text)
        for output in _mappings(cell.get("outputs")):
            builder.add(BlockKind.TEXT, _beginning(_shown(output)))
    else:
        builder.add(BlockKind.TEXT, text)


def _shown(output: Mapping[str, Any]) -> str:
    """Give an output as text; pictures and widgets have none."""
    data = output.get("data")
    for found in (output.get("text"), data.get("text/plain") if isinstance(data, Mapping) else None):
        if found:
            return _joined(found)
    return ": ".join(str(output[key]) for key in ("ename", "evalue") if output.get(key))


def _beginning(text: str) -> str:
    lines = text.split("\n")
    shown = "\n".join(lines[:_OUTPUT_LINES])[:_LONGEST_OUTPUT]
    return f"{shown}\n…" if len(shown) < len(text.rstrip()) else shown


def _joined(found: Any) -> str:
    """Give a text that may be stored as a list of its lines."""
    if isinstance(found, Sequence) and not isinstance(found, str):
        return "".join(line for line in found if isinstance(line, str))
    return found if isinstance(found, str) else ""


def _title(notebook: Mapping[str, Any]) -> str | None:
    metadata = notebook.get("metadata")
    title = metadata.get("title") if isinstance(metadata, Mapping) else None
    return title if isinstance(title, str) else None
