"""Documents go through the pipeline by the recipe of their index."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import ComponentModel, IndexCreate, RecipeModel
from chalicelib.domain.documents import Chunk, DocumentStatus, ParsedDocument
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.indexes import ChunkContext
from chalicelib.ports.queue import QueueName
from chalicelib.repositories import keys
from fargate.ingestion.chunkers import registry
from fargate.ingestion.service import IngestionService
from fargate.ingestion.worker import IngestionWorker
from tests.fakes.embedder import BagOfWords
from tests.fakes.ingestion import ADA, LEASE_S, ParagraphSandbox, Site, predictable

TEXT = "Everybody has thirty days of leave. Ask your manager.\n\nCars are washed on Fridays. Bring the keys."


class _Titled(ParagraphSandbox):
    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """See `ParagraphSandbox.parse`."""
        parsed = await super().parse(path, name=name, media_type=media_type, language=language, password=password)
        return replace(parsed, title="Handbook")


def ingested(site: Site, recipe: RecipeModel) -> tuple[list[Chunk], list[str]]:
    """Give the chunks of `TEXT`, and what is searched for each."""
    tools = replace(site.tools, sandbox=_Titled(), chunkers=registry, embedders={"local/minilm": BagOfWords()})
    service = IngestionService(stores=site.stores, tools=tools, clock=site.clock)
    worker = IngestionWorker(site.stores, tools, site.clock, predictable())
    asyncio.run(service.create_index(ADA, IndexCreate(name="guide", recipe=recipe)))
    accepted = asyncio.run(service.submit(ADA, DocumentCreate(index="guide", name="a.txt", text=TEXT)))
    for delivery in site.stores.queue.receive(QueueName.INGESTION, limit=10, lease_s=LEASE_S):
        asyncio.run(worker.handle(delivery))
    document = site.stores.documents.get(ADA.tenant, DocumentId(accepted.document.document_id))
    assert document.status is DocumentStatus.READY
    assert document.published is not None
    attempt = document.published.attempt
    chunks, _ = site.stores.chunks.page(ADA.tenant, document.document_id, attempt, limit=100, cursor=None)
    index = keys.vector_index(ADA.tenant, "guide", 1)
    records = {one.key: one.text for one in site.stores.vectors.get(index, [chunk.chunk_id for chunk in chunks])}
    return chunks, [records[chunk.chunk_id] for chunk in chunks]


@pytest.mark.parametrize("name", [view.name for view in registry.components()])
def test_every_chunker_can_be_ingested_with(site: Site, name: str) -> None:
    """Those that need embeddings too; every word is in a chunk."""
    chunks, _ = ingested(site, RecipeModel(chunker=ComponentModel(name=name)))
    assert {word for chunk in chunks for word in chunk.text.split()} == set(TEXT.split())


def test_children_are_stored_with_one_text_of_their_parent(site: Site) -> None:
    """The first has it; all have its place."""
    chunker = ComponentModel(name="parent_child", child_tokens=16, parent_tokens=64)
    first, second = ingested(site, RecipeModel(chunker=chunker))[0]
    assert first.parent is not None
    assert first.parent.text == TEXT
    assert second.parent == replace(first.parent, text=None)


@pytest.mark.parametrize(("context", "above"), [(ChunkContext.HEADINGS, "Handbook\n"), (ChunkContext.NONE, "")])
def test_titles_are_searched_with_each_chunk_where_the_recipe_says_so(
    site: Site, context: ChunkContext, above: str
) -> None:
    """The chunk's own text is the same."""
    chunks, searched = ingested(site, RecipeModel(context=context))
    assert searched == [above + chunk.text for chunk in chunks]
