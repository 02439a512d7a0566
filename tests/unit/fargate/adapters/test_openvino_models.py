"""What the local model does beyond its contract: shared batches, questions first, and silence on the network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chalicelib.errors import ConfigurationError, Unavailable
from chalicelib.ports.models import Embeddings, Purpose
from fargate.adapters.embedding_backlog import Group
from fargate.adapters.minilm import MINILM, model_file
from fargate.adapters.openvino_models import EmbedderOptions, OpenVinoEmbedder

ROOT = Path(__file__).parents[4]
CHUNK = "The quick brown fox jumps over the lazy dog and goes home. " * 16


@pytest.fixture(scope="module")
def embedder() -> Iterator[OpenVinoEmbedder]:
    with closing(OpenVinoEmbedder()) as embedder:
        yield embedder


def test_calls_of_many_tasks_share_batches(embedder: OpenVinoEmbedder) -> None:
    """Two hundred calls of one short text each need far fewer runs of the model."""

    async def calls() -> list[Embeddings]:
        return await asyncio.gather(*(embedder.embed([f"note {n}"], Purpose.DOCUMENT) for n in range(200)))

    before = embedder.batches
    assert len(asyncio.run(calls())) == 200
    assert embedder.batches - before <= 60


def test_a_question_does_not_wait_for_documents(embedder: OpenVinoEmbedder) -> None:
    """It is answered while most of a hundred chunks that came before it still wait."""

    async def story() -> int:
        documents = asyncio.create_task(embedder.embed([CHUNK] * 100, Purpose.DOCUMENT))
        while embedder.batches == before:
            await asyncio.sleep(0.005)
        await embedder.embed(["Where does the fox go?"], Purpose.QUERY)
        done = embedder.batches - before
        documents.cancel()
        return done

    before = embedder.batches
    assert asyncio.run(story()) < 20


def test_the_event_loop_goes_on_meanwhile(embedder: OpenVinoEmbedder) -> None:
    """Other tasks have their turns while texts are tokenised and embedded."""

    async def story() -> int:
        ticks = 0
        work = asyncio.create_task(embedder.embed([CHUNK * 20] * 16, Purpose.DOCUMENT))
        while not work.done():
            await asyncio.sleep(0.002)
            ticks += 1
        return ticks

    assert asyncio.run(story()) > 20


def test_little_room_makes_calls_wait_not_fail() -> None:
    """With places for eight texts, fifty calls are served all the same."""

    async def calls(embedder: OpenVinoEmbedder) -> list[Embeddings]:
        return await asyncio.gather(*(embedder.embed(["one", "two", "three"], Purpose.QUERY) for _ in range(50)))

    with closing(OpenVinoEmbedder(EmbedderOptions(waiting=8))) as embedder:
        assert len(asyncio.run(calls(embedder))) == 50


def test_several_event_loops_share_it(embedder: OpenVinoEmbedder) -> None:
    """Threads with loops of their own get their vectors too."""

    async def in_threads() -> list[Embeddings]:
        calls = (asyncio.to_thread(asyncio.run, embedder.embed(["cat"], Purpose.QUERY)) for _ in range(6))
        return await asyncio.gather(*calls)

    assert len({found.vectors[0] for found in asyncio.run(in_threads())}) == 1


def test_a_failed_batch_fails_its_callers_only(embedder: OpenVinoEmbedder) -> None:
    """The worker lives on, and the next call is served."""
    broken = Group([["no number"]])  # type: ignore[list-item]
    embedder._backlog.put(broken.texts, Purpose.DOCUMENT)
    with pytest.raises(Unavailable, match="batch of 1"):
        broken.future.result(10)
    assert asyncio.run(embedder.embed(["cat"], Purpose.DOCUMENT)).tokens == [1]


def test_after_closing_calls_fail_as_unavailable() -> None:
    """Those that wait and those that come."""

    async def story() -> list[Embeddings | BaseException]:
        embedder = OpenVinoEmbedder()
        waiting = asyncio.create_task(embedder.embed([CHUNK] * 64, Purpose.DOCUMENT))
        while embedder.batches == 0:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(embedder.close)
        late = [embedder.embed(["cat"], Purpose.QUERY), embedder.embed([CHUNK] * 64, Purpose.DOCUMENT)]
        return await asyncio.gather(waiting, *late, return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(story())] == [Unavailable] * 3


def test_precision_is_float32_where_asked(embedder: OpenVinoEmbedder) -> None:
    """Forced float32 says so, and its vectors are those of the default within a cosine of .999."""
    with closing(OpenVinoEmbedder(EmbedderOptions(streams=1, threads=1, precision="f32"))) as exact:
        assert exact.precision == "f32"
        found = [asyncio.run(each.embed([CHUNK], Purpose.DOCUMENT)).vectors[0] for each in (exact, embedder)]
    one, other = (np.frombuffer(vector, "<f4") for vector in found)
    assert one @ other >= 0.999


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    """They are never run."""
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        OpenVinoEmbedder(model=replace(MINILM, graph=lambda: model_file(tmp_path / "model.onnx")))


STARTS = """
import asyncio, sys
from chalicelib.ports.models import Purpose
from fargate.adapters.openvino_models import EmbedderOptions, OpenVinoEmbedder
sys.setswitchinterval(1e-6)
embedder = OpenVinoEmbedder(EmbedderOptions(streams=8))
asyncio.run(embedder.embed(["cat"] * 8, Purpose.QUERY))
embedder.close()
"""


@pytest.mark.parametrize("attempt", range(4))
def test_starting_never_stands_still(attempt: int) -> None:
    """Threads that change places all the time cannot meet in OpenVINO's first use of NumPy; they did, in 2 of 5."""
    subprocess.run([sys.executable, "-c", STARTS], cwd=ROOT, timeout=60, check=True)
