"""Two hundred answers at once, with readers who leave and providers that break: every stream ends once, and is paid."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chalicelib.client.api import Client
from chalicelib.contracts.asking import QueryRequest
from chalicelib.contracts.budgets import BudgetCreate
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.identities import ApiKeyCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.access import Role
from chalicelib.domain.budgets import BudgetScope, Period
from tests.e2e.running import RunningPlatform, running_platform
from tests.fakes.openai_provider import OpenAiProvider, openai_provider
from tests.fakes.serving import eventually

TEXT = "Everybody has thirty days of leave a year."
WORDS = 60
LEAVING = "leaving"
ROUTES = {"talking": "slow", "broken": "error_event", "silent": "stall"}
DEADLINE_S = 6
TERMINAL = {"done", "error"}


@dataclass
class Platform:
    """A platform with one document, routes to a slow and two breaking providers, and a budget that counts."""

    running: RunningPlatform
    provider: OpenAiProvider
    keys: list[str]

    def spent(self, client: Client) -> tuple[int, int]:
        """Give what was spent, and what is still set aside."""
        (account,) = client.budget("all").accounts
        return account.spent_usd_micros, account.reserved_usd_micros

    def open_files(self) -> int:
        """Count the connections and files that the platform has open, but for those of its stores."""
        return sum(not _is_store(name) for name in self._open())

    def stores_are_open_once_a_thread(self) -> bool:
        """Say whether no store's file is open more often than there are threads to work with it."""
        opened = Counter(name for name in self._open() if _is_store(name))
        return max(opened.values()) <= len(list(self._process().joinpath("task").iterdir()))

    def _open(self) -> Iterator[str]:
        for place in self._process().joinpath("fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                yield str(place.readlink())

    def _process(self) -> Path:
        assert self.running.process is not None
        return Path("/proc", str(self.running.process.pid))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with ExitStack() as stack:
        answer = " ".join(["word"] * WORDS) + " [1]."
        url, provider = stack.enter_context(openai_provider(answer=lambda _: answer))
        running = stack.enter_context(_running(tmp_path_factory.mktemp("platform") / "data", url))
        client = stack.enter_context(running.client())
        client.create_index(IndexCreate(name="handbook"))
        document = client.create_document(DocumentCreate(index="handbook", name="leave.md", text=TEXT)).document
        client.wait_for_documents([document.document_id])
        client.create_budget(
            BudgetCreate(name="all", scope=BudgetScope.TENANT, period=Period.MONTH, limit_usd_micros=1_000_000_000)
        )
        keys = [client.create_api_key(ApiKeyCreate(name=f"k{n}", roles=[Role.ENGINEER])).secret for n in range(4)]
        yield Platform(running, provider, keys)


def _is_store(name: str) -> bool:
    return ".sqlite" in name


def _running(folder: Path, url: str) -> Any:
    prices = {behaviour: {"input": 1.0, "output": 1.0} for behaviour in ROUTES.values()}
    providers = {"test": {"base_url": url, "needs_key": False, "own_prices": prices}}
    routes = [
        {
            "name": name,
            "kind": "chat",
            "deployments": [{"model": f"test/{behaviour}"}],
            "timeout_s": limit,
            "retries": 0,
        }
        for name, behaviour in ROUTES.items()
        for limit in [DEADLINE_S if behaviour == "stall" else 60]
    ]
    return running_platform(
        folder,
        RAGSTONE_SAMPLE="0",
        RAGSTONE_PROVIDERS=json.dumps(providers),
        RAGSTONE_ROUTES=json.dumps(routes),
    )


async def _stream(session: aiohttp.ClientSession, platform: Platform, number: int, kind: str) -> list[str]:
    """Ask one question, and give the names of the events; somebody *LEAVING* hears three tokens."""
    route = "talking" if kind == LEAVING else kind
    body = {"question": "How many days of leave has everybody?", "index": "handbook", "answer": {"model": route}}
    headers = {"Authorization": f"Bearer {platform.keys[number % len(platform.keys)]}"}
    heard: list[str] = []
    async with session.post(f"{platform.running.url}/v1/query/stream", json=body, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        async for line in reply.content:
            if line.startswith(b"event: "):
                heard.append(line[7:].decode().strip())
            if kind == LEAVING and heard.count("token") == 3:
                reply.close()
                return heard
    return heard


async def _all(platform: Platform, kinds: list[str]) -> list[list[str]]:
    timeout = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        streams = [_stream(session, platform, number, kind) for number, kind in enumerate(kinds)]
        return await asyncio.gather(*streams)


def _walk(platform: Platform, kinds: list[str]) -> None:
    """Hold streams of these *kinds* at once, and check what is left of them."""
    before = len(platform.provider.received)
    platform.provider.abandoned = 0
    with platform.running.client() as client:
        spent, _ = platform.spent(client)
        asyncio.run(_all(platform, kinds[:1]))  # what is opened once stays open
        files = platform.open_files()
        heard = asyncio.run(_all(platform, kinds))
        ends = Counter(
            (kind, *[name for name in names if name in TERMINAL]) for kind, names in zip(kinds, heard, strict=True)
        )
        print(dict(ends))  # noqa: T201
        asked = Counter(kinds)
        assert ends == {
            ("talking", "done"): asked["talking"],
            ("broken", "error"): asked["broken"],
            ("silent", "error"): asked["silent"],
            (LEAVING,): asked[LEAVING],
        }
        # Whoever leaves, and a provider that falls silent: the provider's work is stopped.
        stopped = asked[LEAVING] + asked["silent"]
        assert eventually(lambda: platform.provider.abandoned >= stopped, within_s=20), platform.provider.abandoned
        assert eventually(lambda: platform.spent(client)[1] == 0, within_s=20), "something is still set aside"
        runs = [run for run, _ in zip(client.runs(), range(len(kinds)), strict=False)]
        left = [run.answer for run in runs if run.answer and run.answer.count("word") < WORDS]
        assert len(left) >= asked[LEAVING]
        assert platform.spent(client)[0] - spent >= len(platform.provider.received) - before
        # Threads that come with the load open the stores for themselves.
        assert platform.stores_are_open_once_a_thread()
        assert eventually(lambda: platform.open_files() <= files + 4, within_s=20), (files, platform.open_files())
        assert client.query(QueryRequest(question="How many days of leave has everybody?", index="handbook")).citations


@pytest.mark.drill
def test_two_hundred_streams_end_once_each(platform: Platform) -> None:
    """As many as a large site has at once, a third of whose readers leave."""
    _walk(platform, ["talking"] * 100 + [LEAVING] * 66 + ["broken"] * 17 + ["silent"] * 17)
