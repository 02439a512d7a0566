"""Notebooks: what was written, what was computed, and the beginning of what came out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def notebook(*cells: dict[str, Any], **rest: object) -> ParsedDocument:
    data = json.dumps({"cells": cells, "nbformat": 4, **rest}).encode()
    return registry.parse(Source(data, "a study.ipynb", "application/x-ipynb+json"))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": outputs}


def test_cells_become_text_code_and_outputs() -> None:
    """Pictures are left out, and of several forms of a result the plain one is taken."""
    parsed = notebook(
        {"cell_type": "markdown", "source": ["# Study\n", "\n", "Some *words*."]},
        code("x = 1\nprint(x)", {"output_type": "stream", "text": ["1\n"]}),
        code("y", {"data": {"text/html": "<b>2</b>", "text/plain": "2", "image/png": "iVBOR"}}),
        code("z", {"output_type": "error", "ename": "NameError", "evalue": "z", "traceback": ["long"]}),
        {"cell_type": "raw", "source": "as it is"},
    )
    assert blocks(parsed) == [
        (HEADING, "Study"),
        (TEXT, "Some words."),
        (CODE, "x = 1\nprint(x)"),
        (TEXT, "1"),
        (CODE, "y"),
        (TEXT, "2"),
        (CODE, "z"),
        (TEXT, "NameError: z"),
        (TEXT, "as it is"),
    ]
    assert parsed.title == "Study"
    assert parsed.blocks[-1].heading_path == ("Study",)


def test_a_long_output_is_shown_from_its_beginning() -> None:
    """Logs of a training run are not what a notebook is searched for."""
    shown = blocks(notebook(code("run()", {"text": "step\n" * 5_000})))[1][1]
    assert shown.startswith("step\nstep")
    assert shown.endswith("…")
    assert len(shown) < 2_100


def test_the_title_in_the_metadata_goes_first() -> None:
    """Its author set it."""
    assert notebook(code("x"), metadata={"title": "My study"}).title == "My study"


def test_the_older_format_is_read_too() -> None:
    """Version 3 had worksheets, headings and inputs."""
    cells = [{"cell_type": "heading", "level": 2, "source": "Old"}, {"cell_type": "code", "input": ["x = 1"]}]
    assert blocks(notebook(worksheets=[{"cells": cells}])) == [(HEADING, "Old"), (CODE, "x = 1")]


@pytest.mark.parametrize(
    ("data", "text"), [(b'{"a": "no notebook"}', "a: no notebook"), (b"{'cells': oh", "{'cells': oh")]
)
def test_what_is_no_notebook_is_read_as_what_it_is(data: bytes, text: str) -> None:
    """Data keeps its values, and anything else its words."""
    assert registry.parse(Source(data, "a.ipynb", "application/x-ipynb+json")).text == text


@pytest.mark.parametrize(
    "cell", [{}, {"cell_type": "code", "source": None}, {"cell_type": "markdown", "source": [None]}]
)
def test_a_notebook_without_text_is_empty(cell: dict[str, Any]) -> None:
    """Whatever its cells are made of."""
    with pytest.raises(DocumentRejected) as caught:
        notebook(cell)
    assert caught.value.reason == "empty"
