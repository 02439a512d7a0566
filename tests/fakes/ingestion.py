"""An ingestion service and worker over embedded stores, with tools simple enough to predict, and a way to break it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import random
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast

from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.sqlite_queue import SqliteQueue
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.documents import DocumentAccepted, DocumentCreate, JobAccepted
from chalicelib.contracts.indexes import IndexCreate, RecipeModel
from chalicelib.domain.documents import Attachment, Block, BlockKind, ParsedDocument, Span
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.indexes import Component
from chalicelib.errors import DocumentRejected, InvalidRequest, Unavailable
from chalicelib.ports.models import EmbedderInfo, Embeddings, Purpose, TokenSpans
from chalicelib.ports.queue import Delivery, QueueName
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.ingestion.chunkers import registry as real_chunkers
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.parsers import registry as parsers
from fargate.ingestion.service import IngestionService
from fargate.ingestion.stores import Stores
from fargate.ingestion.tools import Tools
from fargate.ingestion.worker import IngestionWorker, WorkerOptions
from tests.fakes.clock import HandClock
from tests.fakes.identities import principal

ADA = principal()
LEASE_S = 60.0
ResultT = TypeVar("ResultT")


class Crash(BaseException):
    """The process is gone: no handler of the product may see this, and nothing it calls after it happens."""


class Fault(Enum):
    """How a call goes wrong."""

    CRASH = "the process dies before the call"
    REFUSED = "the call does nothing and raises Unavailable"
    ANSWER_LOST = "the call does its work, then raises Unavailable"


class Faults:
    """Counts the calls that pass, and lets the one numbered *at* (from 1) go wrong."""

    def __init__(self, at: int | None = None, fault: Fault = Fault.CRASH) -> None:
        self.at = at
        self.fault = fault
        self.calls: list[str] = []
        self.dead = False
        self.before: Callable[[str], object] | None = None
        self.instead: dict[str, Callable[..., Any]] = {}

    def around(self, port: ResultT, name: str) -> ResultT:
        """Give *port* with its calls counted."""
        return cast("ResultT", _Watched(port, name, self))

    def enter(self, call: str) -> bool:
        """Count a call; say whether its answer is to be lost."""
        if self.dead:
            raise Crash(call)
        self.calls.append(call)
        if self.before is not None:
            self.before(call)
        if len(self.calls) != self.at:
            return False
        if self.fault is Fault.CRASH:
            self.dead = True
            raise Crash(call)
        if self.fault is Fault.REFUSED:
            raise Unavailable(f"{call} was refused")
        return True


class _Watched:
    def __init__(self, port: object, name: str, faults: Faults) -> None:
        self._port, self._name, self._faults = port, name, faults

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        if not callable(found):
            return found
        call = f"{self._name}.{attribute}"
        found = self._faults.instead.get(call, found)
        return self._awaited(call, found) if asyncio.iscoroutinefunction(found) else self._called(call, found)

    def _called(self, call: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            lost = self._faults.enter(call)
            return _unless_lost(lost, call, function(*arguments, **named))

        return watched

    def _awaited(self, call: str, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        async def watched(*arguments: Any, **named: Any) -> Any:
            lost = self._faults.enter(call)
            return _unless_lost(lost, call, await function(*arguments, **named))

        return watched


def _unless_lost(lost: bool, call: str, answer: ResultT) -> ResultT:
    if lost:
        if isinstance(answer, io.IOBase):
            answer.close()
        raise Unavailable(f"the answer of {call} was lost")
    return answer


class ParagraphSandbox:
    """
    Takes blank lines for the ends of paragraphs; a file that begins with ``REFUSE`` is refused.

    A paragraph ``@@name text`` is an attached file.
    """

    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """See `fargate.ingestion.tools.Sandbox`."""
        text = path.read_bytes().decode()  # noqa: ASYNC240 - a few bytes
        if text.startswith("REFUSE"):
            raise DocumentRejected("unreadable", f"{name} cannot be read.")
        parts = text.split("\n\n")
        attached = [part.removeprefix("@@").partition(" ") for part in parts if part.startswith("@@")]
        attachments = tuple(Attachment(file, None, content.encode()) for file, _, content in attached)
        paragraphs = [part for part in parts if not part.startswith("@@")]
        text = "\n\n".join(paragraphs)
        blocks, start = [], 0
        for paragraph in paragraphs:
            blocks.append(Block(BlockKind.TEXT, start, start + len(paragraph)))
            start += len(paragraph) + 2
        return ParsedDocument(text, tuple(blocks), title="0815", media_type="text/plain", attachments=attachments)


class _ParagraphChunker(Chunker):
    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, _vectors: Sequence[bytes] = (), /) -> list[Span]:
        return [Span(one.start, one.end, 1, one.kind, one.heading_path, one.page) for one in parsed.blocks]


class ParagraphChunkers:
    """One chunk a paragraph, whatever the recipe's parameters."""

    def get(self, component: Component) -> Chunker:
        """See `fargate.ingestion.tools.ChunkerRegistry`."""
        if component.name != "structure":
            raise InvalidRequest(f"There is no chunker {component.name!r}.")
        return _ParagraphChunker()

    components = staticmethod(real_chunkers.components)


class HashEmbedder:
    """Points in eight dimensions, one for each text."""

    info = EmbedderInfo("local/minilm", 8, 256, ("en",), "1")

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`."""
        return Embeddings([direction(text) for text in texts], [len(text.split()) for text in texts])

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`."""
        return TokenSpans([], [])


def direction(text: str) -> bytes:
    """Give the vector of *text*."""
    numbers = [byte + 1 for byte in hashlib.sha256(text.encode()).digest()[:8]]
    length = math.sqrt(sum(number * number for number in numbers))
    return struct.pack("<8f", *(number / length for number in numbers))


class Disk:
    """One data folder with its stores; they outlive the processes that a test lets die."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder, self.clock = folder, clock
        self.table = SqliteTable(folder / "table.sqlite", clock)
        self.queue = SqliteQueue(folder / "queue.sqlite", clock)
        self.vectors = SqliteVectors(folder / "vectors")
        self.blobs = FileBlobs(folder / "blobs", clock, b"k" * 32)

    def close(self) -> None:
        """Let go of the files."""
        self.table.close()
        self.queue.close()
        self.vectors.close()


class Site:
    """
    One process: a service and a worker over a disk, which several of them may share.

    Everything they ask of stores and models passes through *faults*.
    """

    def __init__(
        self, disk: Disk, faults: Faults | None = None, options: WorkerOptions | None = None, index: str = "handbook"
    ) -> None:
        self.disk, self.clock, self.index = disk, disk.clock, index
        self.faults = faults or Faults()
        watch = self.faults.around
        self.stores = Stores.over(
            table=watch(disk.table, "table"),
            blobs=watch(disk.blobs, "blobs"),
            queue=watch(disk.queue, "queue"),
            vectors=watch(disk.vectors, "vectors"),
        )
        sandbox, embedder = watch(ParagraphSandbox(), "sandbox"), watch(HashEmbedder(), "embedder")
        self.tools = Tools(sandbox, parsers, ParagraphChunkers(), {"local/minilm": embedder})
        self.service = IngestionService(stores=self.stores, tools=self.tools, clock=disk.clock)
        self.worker = IngestionWorker(self.stores, self.tools, disk.clock, options or predictable())

    def create_index(self, language: str = "en") -> None:
        """Make the index."""
        request = IndexCreate(name=self.index, recipe=RecipeModel(language=language))
        asyncio.run(self.service.create_index(ADA, request))

    def submit(self, text: str, external_id: str | None = "leave", **fields: Any) -> DocumentAccepted:
        """Submit a document to the index."""
        given = {"name": "leave.txt", "external_id": external_id, **fields}
        request = DocumentCreate(index=self.index, text=text, **given)
        return asyncio.run(self.service.submit(ADA, request))

    def delete(self, document_id: str) -> JobAccepted:
        """Delete a document."""
        return asyncio.run(self.service.delete(ADA, DocumentId(document_id)))

    def delete_index(self) -> JobAccepted:
        """Delete the index."""
        return asyncio.run(self.service.delete_index(ADA, self.index))

    def receive(self) -> list[Delivery]:
        """Borrow what waits in the queue."""
        return list(self.stores.queue.receive(QueueName.INGESTION, limit=10, lease_s=LEASE_S))

    def work(self) -> int:
        """Do what waits in the queue now; give how many messages that was."""
        deliveries = self.receive()
        for delivery in deliveries:
            asyncio.run(self.worker.handle(delivery))
        return len(deliveries)

    def settle(self) -> None:
        """Let time pass, with a worker that works and recovers, until nothing happens any more."""
        for _ in range(8):
            recovered = asyncio.run(self.worker.recover())
            while self.work():
                pass
            depth = self.stores.queue.depth(QueueName.INGESTION)
            if not recovered and not depth.waiting and not depth.leased and not self._held_back():
                return
            self.clock.advance(1_000)
        raise AssertionError("It never comes to rest.")

    def _held_back(self) -> bool:
        return any(True for _ in self.stores.jobs.unfinished(self.clock.now() + timedelta(seconds=1)))


def predictable(**options: Any) -> WorkerOptions:
    """Give options under which the same happens every time, in batches of two chunks."""
    return WorkerOptions(**{"embedded_at_once": 2, "chance": random.Random(7), **options})


def in_a_thread(function: Callable[[], object]) -> None:
    """Do it as another process would: whatever loop runs here, and to its end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()
