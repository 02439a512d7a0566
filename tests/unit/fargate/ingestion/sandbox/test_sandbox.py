"""The sandbox reads what parsers can read, and outlives everything a file can do to them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected, Unavailable
from fargate.ingestion import sandbox_seal
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.samples import SAMPLES
from fargate.ingestion.parsers.source import Source
from fargate.ingestion.sandbox import Sandbox, SandboxLimits
from fargate.ingestion.sandbox_wire import verdict

_ROOT = Path(sandbox_seal.__file__).parents[2]
_HOSTILE = "tests.fakes.hostile_reader"
_LIMITS = SandboxLimits(wall_s=10.0, cpu_s=5, memory_bytes=256 << 20, answer_bytes=4 << 20)
_HASTY = SandboxLimits(wall_s=0.3, cpu_s=5, memory_bytes=256 << 20, answer_bytes=4 << 20)
Found = TypeVar("Found")
Make = Callable[..., Sandbox]
Write = Callable[[str], Path]
_sealed = pytest.mark.skipif(sys.platform != "linux", reason="system calls are filtered on Linux only")


def read(sandbox: Sandbox, path: Path, name: str | None = None) -> ParsedDocument:
    """Read one file, in an event loop of its own."""
    return asyncio.run(sandbox.parse(path, name=name or path.name, media_type=None, language="en"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(_LIMITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hostile() -> Iterator[Sandbox]:
    made = Sandbox(_LIMITS, reader=_HOSTILE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[Sandbox]:
    made = Sandbox(_HASTY, reader=_HOSTILE)
    yield made
    made.close()


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Sandbox] = []

    def make_one(limits: SandboxLimits = _LIMITS, reader: str = _HOSTILE) -> Sandbox:
        made.append(Sandbox(limits, reader=reader))
        return made[-1]

    yield make_one
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def file(tmp_path: Path) -> Write:
    def write(content: str) -> Path:
        path = tmp_path / "file.txt"
        path.write_text(content)
        return path

    return write


def rejected(sandbox: Sandbox, path: Path) -> str:
    with pytest.raises(DocumentRejected) as caught:
        read(sandbox, path)
    assert caught.value.detail.endswith(".")
    return caught.value.reason


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", "Prix : 3 €".encode("cp1252")),
        ("a.txt", "佐藤太郎は東京に住んでいます。三木英子も東京です。".encode("cp932")),
        ("a.txt", "Добрый день, гимназии и школы города Москвы.".encode("koi8-r")),
        ("a.txt", "two bytes each".encode("utf-16")),
        ("a.md", b"# Leave\n\nEverybody has 30 days.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"),
        ("a.html", b"<title>t</title><h1>Leave</h1><p>Everybody has 30 days."),
        ("a.csv", "Größe;Preis\n3;1,5\n".encode("utf-16")),
        ("a.json", b'{"a": [{"b": 1}, {"b": 2}], "c": {"d": "e"}}'),
        ("a.xml", '<?xml version="1.0" encoding="euc-jp"?><a><b>日本語の文章</b></a>'.encode("euc-jp")),
        *SAMPLES.items(),
    ],
)
def test_a_sealed_child_reads_every_family_as_its_parser_does(
    sandbox: Sandbox, tmp_path: Path, name: str, data: bytes
) -> None:
    """Nothing that a parser needs is loaded too late, when no file can be opened any more."""
    path = tmp_path / name
    path.write_bytes(data)
    assert read(sandbox, path) == registry.parse(Source(data, name, registry.sniff(data, name, None)))


def test_a_refusal_comes_back_with_its_code_and_reason(sandbox: Sandbox, file: Write) -> None:
    """What the parser says of a file is what the owner reads."""
    with pytest.raises(DocumentRejected, match=r"file\.txt is empty") as caught:
        read(sandbox, file("  \n"))
    assert caught.value.reason == "empty"


def test_a_file_over_the_limit_is_not_even_read(tmp_path: Path, make: Make) -> None:
    """The size is looked at before anything is forked."""
    path = tmp_path / "large.txt"
    path.write_bytes(b"a" * 2048)
    sandbox = make(SandboxLimits(file_bytes=1024))
    assert rejected(sandbox, path) == "too_large"


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("hog", "memory_limit"),
        ("exit", "unreadable"),
        ("crash", "unreadable"),
        ("recurse", "unreadable"),
        ("flood", "too_large"),
        ("babble", "unreadable"),
        ("invent a code", "unreadable"),
        ("break the offsets", "unreadable"),
    ],
)
def test_what_a_file_does_to_its_reader_is_told_in_a_code(
    hostile: Sandbox, file: Write, deed: str, reason: str
) -> None:
    """Each way to fail has its code, and the next file is read as if nothing had been."""
    assert rejected(hostile, file(deed)) == reason
    assert read(hostile, file("behave")).text == "a text"


@pytest.mark.parametrize("deed", ["loop", "hang", "close and hang"])
def test_a_reader_that_does_not_come_back_is_killed(hasty: Sandbox, file: Write, deed: str) -> None:
    """The wall clock counts, whatever the child does meanwhile."""
    started = time.monotonic()
    assert rejected(hasty, file(deed)) == "timeout"
    assert time.monotonic() - started < 5
    assert _children(hasty) == []


def test_processor_time_is_limited_apart_from_the_clock(file: Write, make: Make) -> None:
    """A busy child is ended by the kernel, though its time on the clock is not up."""
    sandbox = make(SandboxLimits(wall_s=30.0, cpu_s=1))
    assert rejected(sandbox, file("loop")) == "timeout"


@_sealed
def test_a_child_can_neither_start_signal_open_nor_connect_anything(hostile: Sandbox, file: Write) -> None:
    """Every attempt to get out is refused by the kernel."""
    assert read(hostile, file("break out")).text == "tried"


def test_a_child_sees_no_secret_and_no_foreign_descriptor(file: Write, make: Make) -> None:
    """Its environment is the sandbox's own; it holds the file, the answer, and nothing else."""
    sandbox = make()
    assert set(read(sandbox, file("environment")).text.split()) <= {"PATH", "PYTHONPATH", "LC_ALL", "LC_CTYPE"}
    assert read(sandbox, file("descriptors")).text == "0 1 2 3 4"


def test_one_hanging_file_does_not_keep_the_others_waiting(hasty: Sandbox, tmp_path: Path) -> None:
    """Files are read side by side, up to the number of workers."""
    paths = {deed: tmp_path / deed for deed in ("hang", "behave")}
    for deed, path in paths.items():
        path.write_text(deed)

    async def both() -> list[ParsedDocument | BaseException]:
        reading = (hasty.parse(path, name=path.name, media_type=None, language="en") for path in paths.values())
        return await asyncio.gather(*reading, return_exceptions=True)

    hung, read_well = asyncio.run(both())
    assert isinstance(hung, DocumentRejected)
    assert isinstance(read_well, ParsedDocument)


def test_a_zygote_that_died_is_started_anew(file: Write, make: Make) -> None:
    """The next file does not notice."""
    sandbox = make()
    read(sandbox, file("behave"))
    _kill_zygote(sandbox)
    assert read(sandbox, file("behave")).text == "a text"


@_sealed
def test_children_die_with_the_zygote_and_the_file_is_tried_once_more(file: Write, make: Make) -> None:
    """No orphan goes on reading; after a second death the sandbox says that it cannot work."""
    sandbox = make()
    path = file("hang")

    async def kill_twice() -> None:
        reading = asyncio.create_task(sandbox.parse(path, name="file.txt", media_type=None, language="en"))
        seen: set[int] = set()
        while not reading.done():
            for child in set(_children(sandbox)) - seen:
                seen.add(child)
                _kill_zygote(sandbox)
                await asyncio.to_thread(_until, lambda child=child: not _runs(child))
            await asyncio.sleep(0.02)
        assert seen
        with pytest.raises(Unavailable, match="could not be started"):
            await reading

    asyncio.run(kill_twice())


@_sealed
def test_closing_ends_what_runs(file: Write, make: Make) -> None:
    """A reader that hangs does not hold the service up when it stops."""
    sandbox = make()
    path = file("hang")

    async def close_meanwhile() -> None:
        reading = asyncio.create_task(sandbox.parse(path, name="file.txt", media_type=None, language="en"))
        children = await asyncio.to_thread(_until, lambda: _children(sandbox) or None)
        await asyncio.to_thread(sandbox.close)
        with pytest.raises(Unavailable, match="closed"):
            await reading
        await asyncio.to_thread(_until, lambda: not any(map(_runs, children)))

    asyncio.run(close_meanwhile())


def test_a_reader_that_cannot_be_loaded_is_an_unavailable_sandbox(file: Write, make: Make) -> None:
    """A broken installation is told as such, and not as the fault of a file."""
    sandbox = make(reader="tests.fakes.no_such_reader")
    with pytest.raises(Unavailable, match="could not be started"):
        read(sandbox, file("behave"))


def test_a_child_forked_too_late_ends_by_itself() -> None:
    """The zygote can die between forking a child and the child's asking to die with it."""
    code = "import sys; from fargate.ingestion import sandbox_seal as seal; seal.die_with_parent(int(sys.argv[1]))"
    for parent, status in ((os.getpid(), 0), (os.getpid() + 1, 1)):
        assert subprocess.run([sys.executable, "-c", code, str(parent)], cwd=_ROOT).returncode == status


@pytest.mark.parametrize("answer", [b"", b"+", b"-", b"*", b"-[]", b'-["empty"]', b'-["empty", 3]', b"+[]", b"\xff"])
def test_no_answer_is_too_odd_to_be_judged(answer: bytes) -> None:
    """A child that was taken over may write what it likes."""
    with pytest.raises(DocumentRejected) as caught:
        verdict(bytearray(answer))
    assert caught.value.reason == "unreadable"


def test_a_refusals_detail_is_kept_within_bounds() -> None:
    """What a child says is shown to users, but not at any length."""
    with pytest.raises(DocumentRejected) as caught:
        verdict(bytearray(b"-" + json.dumps(["empty", "x" * 9_999]).encode()))
    assert len(caught.value.detail) == 1_000


def test_the_filter_lists_each_call_once_on_each_machine() -> None:
    """Two names for one number would be a slip of the pen, and let an unknown call through."""
    for column in (0, 1):
        numbers = [pair[column] for pair in sandbox_seal._SYSCALLS.values() if pair[column] is not None]
        assert len(numbers) == len(set(numbers))


def _children(sandbox: Sandbox) -> list[int]:
    zygote = sandbox._zygote
    if zygote is None or sys.platform != "linux":
        return []
    pid = zygote._process.pid
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _kill_zygote(sandbox: Sandbox) -> None:
    assert sandbox._zygote is not None
    os.kill(sandbox._zygote._process.pid, signal.SIGKILL)
    sandbox._zygote._process.wait()


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _until(look: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found
