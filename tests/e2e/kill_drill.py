"""
The kill drill: two workers that die at random moments, while documents come, change and go, and a reader looks on.

    python -m tests.e2e.kill_drill FOLDER --documents 2000 --kills 300 --seed 1

Prints one JSON object: what was done, and what was found wrong. The same seed submits, changes and deletes the same
documents in the same order, and draws the same waits between kills; what a kill hits is up to the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.sqlite_queue import SqliteQueue
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.contracts.asking import RetrieveRequest
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.releases import Strategy
from chalicelib.errors import NotFound
from chalicelib.ports.clock import Clock
from chalicelib.ports.models import Embeddings, Purpose
from chalicelib.ports.queue import QueueName
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases
from chalicelib.repositories.runs import Runs
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.ingestion.parsers import registry as parsers
from fargate.ingestion.service import IngestionService
from fargate.ingestion.stores import Stores
from fargate.ingestion.sweeping import Sweeper
from fargate.ingestion.tools import Tools
from fargate.ingestion.worker import IngestionWorker, WorkerOptions
from fargate.retrieval.service import RetrievalService
from tests.fakes.ingestion import ADA, HashEmbedder, ParagraphChunkers, ParagraphSandbox
from tests.fakes.ingestion_reader import Contents

INDEX = "drill"
LEASE_S = 1.5
WORKERS = 2
PARAGRAPHS = 3
CHANGED, DELETED = 0.5, 0.15
"""Which part of the documents gets a new version, and which is deleted."""
_BETWEEN_KILLS_S = (0.02, 0.6)
_EMBEDDING_S = 0.05
_SETTLE_S = 240


@dataclass(frozen=True)
class Action:
    """What is done to the document called *name*: a version submitted, or 0 for its deletion."""

    name: str
    version: int


def main() -> None:
    """Run a drill as the command line says."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--documents", type=int, default=2_000)
    arguments.add_argument("--kills", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    print(  # noqa: T201 - its report
        json.dumps(drill(given.folder, documents=given.documents, kills=given.kills, seed=given.seed))
    )


def drill(folder: Path, *, documents: int, kills: int, seed: int) -> dict[str, Any]:
    """Let workers die *kills* times over *documents*; give what was seen and what was wrong in the end."""
    plan = actions(documents, random.Random(seed))
    chance = random.Random(seed + 1)
    site = Site(folder)
    site.make_index()
    pace_s = kills * sum(_BETWEEN_KILLS_S) / 2 / len(plan)
    submitter = fork(lambda: submit(Site(folder), plan, pace_s))
    reader = fork(lambda: read(Site(folder), sorted({one.name for one in plan}), folder / "seen.json", seed))
    workers = [fork(lambda: work(Site(folder))) for _ in range(WORKERS)]
    died = in_hand = 0
    while died < kills or is_running(submitter):
        time.sleep(chance.uniform(*_BETWEEN_KILLS_S))
        place = chance.randrange(WORKERS)
        in_hand += site.stores.queue.depth(QueueName.INGESTION).leased
        kill(workers[place])
        died += 1
        workers[place] = fork(lambda: work(Site(folder)))
    begun = time.monotonic()
    settled = settle(folder)
    for worker in (*workers, reader):
        os.kill(worker, signal.SIGTERM)
        os.waitpid(worker, 0)
    found = check(folder, plan)
    seen = json.loads((folder / "seen.json").read_text())
    done = {"seed": seed, "documents": documents, "actions": len(plan), "kills": died, "in_hand": in_hand}
    return {**done, "settled": settled, "settle_s": round(time.monotonic() - begun, 1), **seen, **found}


def actions(documents: int, chance: random.Random) -> list[Action]:
    """Give what is done, in order: every document once, then changes and deletions among them."""
    plan = [Action(f"doc{number:05d}", 1) for number in range(documents)]
    for name in chance.sample([one.name for one in plan], int(CHANGED * documents)):
        plan.insert(chance.randrange(len(plan)), Action(name, 2))
    plan += [Action(name, 0) for name in chance.sample(sorted({one.name for one in plan}), int(DELETED * documents))]
    chance.shuffle(plan)
    return plan


def text(name: str, version: int) -> str:
    """Give the text of one version: every paragraph names the document and the version it belongs to."""
    return "\n\n".join(f"{name} version{version} says part{part}." for part in range(PARAGRAPHS + version))


class SlowEmbedder(HashEmbedder):
    """Takes its time, as a model does, so that most kills come in the middle of something."""

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`."""
        await asyncio.sleep(_EMBEDDING_S)
        return await super().embed(texts, purpose)


class Site:
    """One process: stores over the folder, and what works on them."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.stores = Stores.over(
            table=SqliteTable(folder / "table.sqlite", self.clock),
            blobs=FileBlobs(folder / "blobs", self.clock, b"k" * 32),
            queue=SqliteQueue(folder / "queue.sqlite", self.clock),
            vectors=SqliteVectors(folder / "vectors"),
        )
        self.tools = Tools(ParagraphSandbox(), parsers, ParagraphChunkers(), {"local/minilm": SlowEmbedder()})
        self.service = IngestionService(stores=self.stores, tools=self.tools, clock=self.clock)

    def make_index(self) -> None:
        """Make the index of the drill."""
        asyncio.run(self.service.create_index(ADA, IndexCreate(name=INDEX)))

    def retriever(self) -> RetrievalService:
        """Give the retrieval service over the same stores."""
        table = self.stores.table
        return RetrievalService(
            documents=Documents(table),
            chunks=Chunks(table),
            runs=Runs(table, 1),
            releases=EffectiveRelease(Releases(table), Indexes(table), Prompts(table), self.clock),
            vectors=self.stores.vectors,
            embedders=self.tools.embedders,
            clock=self.clock,
        )


class Later:
    """The real clock, some hours on: for the sweep in the end, to which everything is old."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return SystemClock().now() + timedelta(hours=3)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


def fork(act: Callable[[], object]) -> int:
    """Do *act* in a process of its own; give its number. The conductor has one thread, so nothing is lost in this."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return pid


def kill(pid: int) -> None:
    """End the process without a word."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def is_running(pid: int) -> bool:
    """Say whether the process has not ended yet; raises when it failed."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return False
    if ended and status != 0:
        raise SystemExit(f"the submitter failed with status {status}")
    return not ended


def work(site: Site) -> None:
    """Work until killed, or told to stop."""
    options = WorkerOptions(lease_s=LEASE_S, poll_s=0.02, grace_s=5, retry_s=0.2, embedded_at_once=2)
    worker = IngestionWorker(site.stores, site.tools, site.clock, options)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await worker.run(stop)

    asyncio.run(run())


def submit(site: Site, plan: Sequence[Action], pace_s: float) -> None:
    """Do the plan, as fast as will keep the workers busy until the last kill; each call was acknowledged."""
    known: dict[str, str] = {}
    for action in plan:
        time.sleep(pace_s)
        if action.version:
            content = text(action.name, action.version)
            request = DocumentCreate(index=INDEX, name=f"{action.name}.txt", external_id=action.name, text=content)
            known[action.name] = asyncio.run(site.service.submit(ADA, request)).document.document_id
        elif action.name in known:
            asyncio.run(site.service.delete(ADA, DocumentId(known.pop(action.name))))


def read(site: Site, names: list[str], report: Path, seed: int) -> None:
    """Ask for documents at random until told to stop: all passages must be of one version of the one asked for."""
    chance = random.Random(seed + 2)
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    seen: Counter[str] = Counter(reads=0, mixed=0, partial=0, doubled=0)
    retriever = site.retriever()
    while not stopped:
        name = chance.choice(names)
        request = RetrieveRequest(question=name, index=INDEX, strategy=Strategy.LEXICAL, top_k=50)
        try:
            passages = asyncio.run(retriever.retrieve(ADA, request)).passages
        except NotFound:
            continue
        versions = {passage.text.split()[1] for passage in passages}
        texts = [passage.text for passage in passages]
        seen["reads"] += 1
        seen["mixed"] += len(versions) > 1 or len({passage.version for passage in passages}) > 1
        seen["doubled"] += len(set(texts)) < len(texts)
        seen["partial"] += len(versions) == 1 and len(texts) < PARAGRAPHS + int(min(versions).removeprefix("version"))
        report.write_text(json.dumps(seen))


def settle(folder: Path) -> bool:
    """Wait until nothing is queued or open; what died at every delivery is put back. Say whether it came to that."""
    stores = Site(folder).stores
    ends = time.monotonic() + _SETTLE_S
    while time.monotonic() < ends:
        stores.queue.redrive(QueueName.INGESTION)
        depth = stores.queue.depth(QueueName.INGESTION)
        if not (depth.waiting or depth.leased or depth.dead):
            return True
        time.sleep(0.5)
    return False


def check(folder: Path, plan: list[Action]) -> dict[str, Any]:
    """Sweep, then compare what is there with what was acknowledged last."""
    sweeper = Sweeper(Site(folder).stores, Later())
    job = sweeper.job(INDEX, "drill")
    sweeper.stores.table.write(sweeper.stores.jobs.adding(ADA.tenant, job))
    sweeper.sweep(ADA.tenant, job)
    contents = Contents.of(folder)
    visible = contents.visible()
    wanted = dict(expected(plan))
    texts = {name: text(name, version).split("\n\n") for name, version in wanted.items()}
    result = sweeper.stores.jobs.get(ADA.tenant, job.job_id).result
    return {
        "lost": sum(1 for name in texts if name not in visible),
        "wrong": sum(1 for name, found in visible.items() if name in texts and sorted(found) != sorted(texts[name])),
        "undead": sum(1 for name in visible if name not in texts),
        "orphans": contents.orphans(),
        "open_jobs": sum(1 for one in contents.jobs() if one["status"] in ("queued", "running")),
        "failed_jobs": sum(1 for one in contents.jobs() if one["status"] == "failed"),
        "swept": result["removed"] if result else None,
    }


def expected(plan: list[Action]) -> Iterator[tuple[str, int]]:
    """Give the documents there must be in the end, each with the version that must be visible."""
    last: dict[str, int] = {}
    for action in plan:
        if action.version:
            last[action.name] = action.version
        else:
            last.pop(action.name, None)
    yield from last.items()


if __name__ == "__main__":
    main()
