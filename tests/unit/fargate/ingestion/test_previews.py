"""Previews with every chunker there is, as the platform has them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.contracts.documents import ChunkPreviewRequest, ChunkView
from chalicelib.contracts.indexes import ComponentModel
from chalicelib.domain.documents import ParsedDocument
from fargate.ingestion.chunkers import registry
from fargate.ingestion.previews import Previews
from tests.fakes.embedder import BagOfWords
from tests.fakes.ingestion import ADA, ParagraphSandbox, Site

TEXT = "Everybody has thirty days of leave. Ask your manager.\n\nCars are washed on Fridays. Bring the keys."


class _Listening(ParagraphSandbox):
    """Remembers the language it was told."""

    language = ""

    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """See `ParagraphSandbox.parse`."""
        self.language = language
        return await super().parse(path, name=name, media_type=media_type, language=language, password=password)


def preview(site: Site, chunker: ComponentModel, sandbox: _Listening | None = None, **fields: str) -> list[ChunkView]:
    tools = replace(
        site.tools, sandbox=sandbox or _Listening(), chunkers=registry, embedders={"local/minilm": BagOfWords()}
    )
    request = ChunkPreviewRequest(chunker=chunker, **fields)
    return asyncio.run(Previews(site.stores, tools).preview(ADA, request)).items


@pytest.mark.parametrize("name", [view.name for view in registry.components()])
def test_every_chunker_can_be_tried_on_a_text_and_on_a_document(site: Site, name: str) -> None:
    """Those too that need embeddings; both give the same."""
    document_id = site.submit(TEXT).document.document_id
    site.work()
    chunks = preview(site, ComponentModel(name=name), text=TEXT)
    assert chunks == preview(site, ComponentModel(name=name), document_id=document_id)
    assert all(chunk.text == TEXT[chunk.start : chunk.end] for chunk in chunks)


def test_a_preview_shows_what_a_chunk_is_read_in(site: Site) -> None:
    """The parent by its place; its text is in the document."""
    chunker = ComponentModel(name="parent_child", child_tokens=16, parent_tokens=64)
    first, second = preview(site, chunker, text=TEXT)
    assert first.parent == second.parent
    assert first.parent is not None
    assert (first.parent.start, first.parent.end) == (0, len(TEXT))


def test_a_text_is_read_in_the_language_it_is_said_to_be_in(site: Site) -> None:
    """English unless told."""
    sandbox = _Listening()
    for given, expected in (({}, "en"), ({"language": "de"}, "de")):
        preview(site, ComponentModel(name="sentence"), sandbox, text=TEXT, **given)
        assert sandbox.language == expected
