"""
How long the platform keeps a model's first words to itself.

`python -m bench first_token`. A provider, in a process of its own, thinks a while and then sends as its first token the
monotonic time, which is the same for all processes of a machine. A client of `POST /v1/query/stream` notes when it has
read that token: between lie gateway, generation (markers, links) and HTTP. One stream at a time, and eight.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench import platform, report
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate

THINKS_S = 0.15
WORDS = 40
EACH = 100
CALLERS = (1, 8)
INDEX = "handbook"
QUESTION = "How many days of leave has everybody?"
NANOSECONDS_PER_MS = 1_000_000


def main() -> None:
    """Print a row for each number of callers."""
    port = platform.free_port()
    provider = subprocess.Popen([sys.executable, "-m", "bench.first_token", str(port)])
    environment = {
        "RAGSTONE_PROVIDERS": json.dumps(
            {"timed": {"base_url": f"http://127.0.0.1:{port}/v1", "needs_key": False, "prices": "free"}}
        ),
        "RAGSTONE_ROUTES": json.dumps([{"name": "chat", "kind": "chat", "deployments": [{"model": "timed/ok"}]}]),
    }
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            platform.running(Path(folder), environment=environment) as running,
        ):
            _load(running)
            for callers in CALLERS:
                _measure(running, callers)
    finally:
        provider.terminate()
        provider.wait()


def _load(running: platform.Platform) -> None:
    running.client.create_index(IndexCreate(name=INDEX))
    made = running.client.create_document(
        DocumentCreate(index=INDEX, name="leave.md", text="Everybody has thirty days of leave.")
    )
    running.client.wait_for_documents([made.document.document_id])


def _measure(running: platform.Platform, callers: int) -> None:
    asyncio.run(_delays_ms(running, callers, 3))
    delays = asyncio.run(_delays_ms(running, callers, EACH))
    seconds = [delay / 1_000 for delay in delays]
    load = round(os.getloadavg()[0], 2)
    report.row("first_token", callers=callers, streams=len(delays), **report.percentiles_ms(seconds), load_1min=load)


async def _delays_ms(running: platform.Platform, callers: int, each: int) -> list[float]:
    headers = {"Authorization": f"Bearer {running.api_key}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{running.port}", headers=headers) as session:

        async def caller() -> list[float]:
            return [await _delay_ms(session) for _ in range(each)]

        found = await asyncio.gather(*(caller() for _ in range(callers)))
    return [delay for delays in found for delay in delays]


async def _delay_ms(session: aiohttp.ClientSession) -> float:
    """Ask one question; give what lay between the sending of the model's first token and its reading here."""
    body = {"question": QUESTION, "index": INDEX, "answer": {"model": "chat"}}
    delay: float | None = None
    async with session.post("/v1/query/stream", json=body) as reply:
        reply.raise_for_status()
        is_token = False
        async for line in reply.content:
            if delay is None and is_token and line.startswith(b"data: "):
                sent = int(json.loads(line[6:])["text"])
                delay = (time.monotonic_ns() - sent) / NANOSECONDS_PER_MS
            is_token = line.startswith(b"event: token")
    if delay is None:
        raise RuntimeError("A stream ended without a token.")
    return delay


async def _chat(request: Request) -> StreamingResponse:
    await request.json()
    return StreamingResponse(_chunks(), media_type="text/event-stream")


async def _chunks() -> AsyncIterator[bytes]:
    yield _chunk({"role": "assistant", "content": ""})
    await asyncio.sleep(THINKS_S)
    yield _chunk({"content": str(time.monotonic_ns())})
    for _ in range(WORDS):
        yield _chunk({"content": " word"})
    yield _chunk({"content": " [1]."}, "stop")
    usage = {"prompt_tokens": 100, "completion_tokens": WORDS, "total_tokens": 100 + WORDS}
    yield _event({"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _event(fields: dict[str, object]) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "ok"}
    return f"data: {json.dumps({**head, **fields})}\n\n".encode()


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/chat/completions", _chat, methods=["POST"])])
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
