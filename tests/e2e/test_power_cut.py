"""kill -9 while documents are read: nothing that was acknowledged is lost, and nothing is there twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.client.api import Client
from chalicelib.contracts.asking import RetrieveRequest
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.releases import Strategy
from tests.e2e.running import RunningPlatform, running_platform

INDEX = "archive"
PARAGRAPHS = 3


def test_a_power_cut_during_ingestion_loses_nothing(tmp_path: Path) -> None:
    """One cut in the middle of forty documents."""
    with running_platform(tmp_path / "data", RAGSTONE_SAMPLE="0") as platform:
        survive(platform, documents=40, cuts=1, seed=1)


@pytest.mark.drill
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_many_power_cuts_lose_nothing(tmp_path: Path, seed: int) -> None:
    """Twelve cuts at random moments over two hundred documents, half of them new versions of others."""
    with running_platform(tmp_path / "data", RAGSTONE_SAMPLE="0") as platform:
        survive(platform, documents=200, cuts=12, seed=seed)


def survive(platform: RunningPlatform, *, documents: int, cuts: int, seed: int) -> None:
    """Submit, cut the power at random moments, and look at what is there in the end."""
    chance = random.Random(seed)
    with platform.client() as client:
        client.create_index(IndexCreate(name=INDEX))
    waves = [range(start, documents, cuts) for start in range(cuts)]
    expected: dict[str, str] = {}
    for wave in waves:
        with platform.client() as client:
            expected |= submit(client, wave, documents // 2)
        time.sleep(chance.uniform(0, 1.5))
        platform.kill()
        platform.start()
    with platform.client() as client:
        settle(client)
        check(client, expected)


def submit(client: Client, numbers: Sequence[int], half: int) -> dict[str, str]:
    """Submit a document for each number, those from *half* on as new versions; give each one's newest name by id."""
    names = {}
    for number in numbers:
        external_id, word = f"note-{number % half}", f"word{number:04d}"
        text = "\n\n".join(f"Paragraph {part} of {word} says {word} again." for part in range(PARAGRAPHS))
        client.create_document(DocumentCreate(index=INDEX, name=f"{word}.md", text=text, external_id=external_id))
        names[external_id] = f"{word}.md"
    return names


def settle(client: Client) -> None:
    """Wait until nothing is left to do; a lease of the dead may have to run out first."""
    waiting = [document.document_id for document in client.documents(index=INDEX)]
    client.wait_for_documents(waiting, timeout_s=150)


def check(client: Client, expected: dict[str, str]) -> None:
    """Every document is ready in its newest version, and searching its word finds that version's chunks, each once."""
    documents = {str(document.external_id): document for document in client.documents(index=INDEX)}
    assert {external_id: document.name for external_id, document in documents.items()} == expected
    assert {document.status for document in documents.values()} == {DocumentStatus.READY}
    for document in documents.values():
        assert document.version == document.latest_version
        stored = Counter(chunk.chunk_id for chunk in client.chunks(document.document_id))
        word = document.name.removesuffix(".md")
        request = RetrieveRequest(question=word, index=INDEX, strategy=Strategy.LEXICAL, top_k=100)
        assert Counter(one.chunk_id for one in client.retrieve(request).passages) == stored
    everything = RetrieveRequest(question="Paragraph says again", index=INDEX, strategy=Strategy.LEXICAL, top_k=100)
    found = client.retrieve(everything).passages
    assert {passage.name for passage in found} <= set(expected.values())
