"""
What `bench.gateway` sets the gateway beside, each in a process of its own.

    python -m bench.gateway_programs floor PORT UPSTREAM     serves aiohttp that passes calls through
    python -m bench.gateway_programs {sdk | router} UPSTREAM

The latter call in their own process, without HTTP before them: for each line `AT_ONCE SECONDS` that comes in, they
print a line of JSON with how long each call took.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

Ask = Callable[[list[dict[str, str]]], Awaitable[Any]]


async def floor(port: int, upstream: str) -> None:
    """Serve what does nothing but pass calls through."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def through(request: web.Request) -> web.Response:
            headers = {"Content-Type": "application/json"}
            url = f"{upstream}/chat/completions"
            async with session.post(url, data=await request.read(), headers=headers) as answer:
                return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

        app = web.Application()
        app.router.add_post("/v1/chat/completions", through)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def sdk(upstream: str) -> Ask:
    """Ask by LiteLLM's SDK."""
    litellm = _litellm()

    def ask(messages: list[dict[str, str]]) -> Awaitable[Any]:
        answer: Awaitable[Any] = litellm.acompletion(
            model="openai/gpt-4o-mini", messages=messages, max_tokens=64, api_base=upstream, api_key="none"
        )
        return answer

    return ask


def router(upstream: str) -> Ask:
    """Ask by LiteLLM's Router, with one deployment."""
    params = {"model": "openai/gpt-4o-mini", "api_base": upstream, "api_key": "none"}
    routing = _litellm().Router(model_list=[{"model_name": "chat", "litellm_params": params}])

    def ask(messages: list[dict[str, str]]) -> Awaitable[Any]:
        answer: Awaitable[Any] = routing.acompletion(model="chat", messages=messages, max_tokens=64)
        return answer

    return ask


async def answer_orders(ask: Ask) -> None:
    """Measure as standard input says, until it ends."""
    await _measured(ask, 1, 0.5)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        at_once, seconds = line.split()
        print(json.dumps(await _measured(ask, int(at_once), float(seconds))), flush=True)


async def _measured(ask: Ask, at_once: int, seconds: float) -> dict[str, Any]:
    numbers, spent, wrong = count(1), list[float](), 0
    began = time.perf_counter()

    async def work() -> None:
        nonlocal wrong
        while (start := time.perf_counter()) - began < seconds:
            number = next(numbers)
            answer = await ask(
                [
                    {"role": "system", "content": "You are helpful."},
                    {"role": "user", "content": f"Tell me about number {number} in one short sentence, please."},
                ]
            )
            good = f"umber {number} it is" in answer.choices[0].message.content
            wrong += not good
            spent.append(time.perf_counter() - start)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return {"seconds": spent, "wrong": wrong, "elapsed_s": time.perf_counter() - began}


def _litellm() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    return litellm


if __name__ == "__main__":
    if sys.argv[1] == "floor":
        asyncio.run(floor(int(sys.argv[2]), sys.argv[3]))
    else:
        asyncio.run(answer_orders({"sdk": sdk, "router": router}[sys.argv[1]](sys.argv[2])))
