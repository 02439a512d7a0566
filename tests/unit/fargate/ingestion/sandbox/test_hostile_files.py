"""Whatever a file is, its reader gives its text or says why not, in time, and takes nothing else down."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers.samples import SAMPLES
from fargate.ingestion.sandbox import Sandbox, SandboxLimits
from fargate.ingestion.sandbox_wire import REASONS
from tests.fakes.hostile_files import File, crafted, mutants

LIMITS = SandboxLimits(wall_s=10, cpu_s=8, memory_bytes=512 << 20)
SPARE_S = 3.0
"""What a verdict may take beyond the limit, on a machine that does other things as well."""
MEBIBYTE = 1 << 20
MORE_MEMORY = 96 * MEBIBYTE
SEED = 20_261_122


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(LIMITS, workers=2)
    yield made
    made.close()


def verdicts(sandbox: Sandbox, files: Sequence[File], folder: Path) -> Counter[str]:
    """Read *files*, two at once; give how often each verdict was given."""
    found: Counter[str] = Counter()
    waiting = iter(files)

    async def reader() -> None:
        for name, data in waiting:
            found[await verdict(sandbox, name, data, folder)] += 1

    async def read_all() -> None:
        await asyncio.gather(reader(), reader())

    asyncio.run(read_all())
    return found


async def verdict(sandbox: Sandbox, name: str, data: bytes, folder: Path) -> str:
    path = folder / name.replace("/", "_")
    path.write_bytes(data)
    begun = time.monotonic()
    refused: DocumentRejected | None = None
    try:
        parsed = await sandbox.parse(path, name=name.rpartition("-")[2], media_type=None, language="en")
    except DocumentRejected as rejected:
        refused = rejected
    assert time.monotonic() - begun < LIMITS.wall_s + SPARE_S, name
    path.unlink()
    if refused is not None:
        assert refused.reason in REASONS, name
        assert refused.detail, name
        return refused.reason
    assert parsed.text.strip(), name
    assert "root:x:0" not in parsed.text, name
    return "ready"


def memory() -> int:
    """Give the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def zygote(sandbox: Sandbox) -> int:
    assert sandbox._zygote is not None
    return sandbox._zygote._process.pid


def assert_withstood(sandbox: Sandbox, files: Sequence[File], folder: Path) -> Counter[str]:
    verdicts(sandbox, [("a.txt", b"A harmless file.")], folder)
    before, process = memory(), zygote(sandbox)
    found = verdicts(sandbox, files, folder)
    assert found.total() == len(files)
    assert zygote(sandbox) == process
    assert memory() < before + MORE_MEMORY
    assert verdicts(sandbox, [("a.txt", b"A harmless file.")], folder) == {"ready": 1}
    return found


def test_damaged_files_are_read_or_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """Two hundred mutants of files of every format."""
    found = assert_withstood(sandbox, list(mutants(SAMPLES, 200, SEED)), tmp_path)
    assert found["ready"] > 20
    assert found["unreadable"] > 20


@pytest.mark.drill
def test_more_than_a_thousand_hostile_files_are_read_or_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """The known attacks, and twelve hundred mutants of files of every format."""
    files = [*crafted(), *mutants(SAMPLES, 1_200, SEED)]
    found = assert_withstood(sandbox, files, tmp_path)
    print(f"seed {SEED}, {len(files)} files: {dict(found)}")  # noqa: T201 - the drill's report
    assert found["suspicious_archive"] > 10
