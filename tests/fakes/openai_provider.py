"""
A model provider for tests and demos: speaks OpenAI's protocol (and Cohere's, for reranking), and fails on demand.

The name of the model says how it behaves: `ok`, or one of `FAULTS`. `python -m tests.fakes.openai_provider` serves it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.fakes.serving import serving

FOR_EVER_S = 3_600.0
TOKEN_DELAY_S = 0.05
CUT_AFTER = 3
HUGE_BYTES = 5 * 1024 * 1024
PIECE_BYTES = 64 * 1024
RETRY_AFTER_S = 30
DIMENSION = 8

FAULTS = {
    "rate_limited": "429 with Retry-After",
    "server_error": "500",
    "overloaded": "503",
    "bad_request": "400",
    "content_policy": "400, by policy",
    "context_length": "400, too long",
    "unauthorized": "401, repeating key and prompt",
    "no_credit": "429, insufficient_quota",
    "unknown_model": "404",
    "hang": "no answer at all",
    "html": "200 with a page",
    "garbage": "200 with something else",
    "redirect": "307 to elsewhere",
    "slow": "a token now and then",
    "stall": "some tokens, then nothing",
    "cut": "some tokens, then the connection ends",
    "error_event": "some tokens, then an error as an event",
    "wrong_usage": "a usage that cannot be",
    "no_usage": "no usage",
    "duplicate": "a chunk twice, and the usage too",
    "huge": "more in one piece than anybody should read",
}
"""What can go wrong, by model name."""

Answer = Callable[[Mapping[str, Any]], str]
Behave = Callable[["Received"], str]


def echo(body: Mapping[str, Any]) -> str:
    """Answer with the last message."""
    content = body["messages"][-1]["content"]
    return f"You said: {content}" if isinstance(content, str) else "You sent several parts."


@dataclass(frozen=True)
class Received:
    """One request, number *number* from 1."""

    number: int
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body["model"])


@dataclass
class OpenAiProvider:
    """
    Keeps what it was sent. *behave* gives the behaviour of each request, by default the model's name; *answer* the
    text, deterministic. *abandoned* counts the requests whose client left before the end.
    """

    answer: Answer = echo
    behave: Behave = field(default=lambda received: received.model)
    token_delay_s: float = TOKEN_DELAY_S
    received: list[Received] = field(default_factory=list)
    abandoned: int = 0

    def app(self) -> Starlette:
        """Give the ASGI app; addresses are below ``/v1``, reranking below ``/v2`` as well."""
        posts: dict[str, Callable[[Received, str], Response]] = {
            "/v1/chat/completions": self._chat,
            "/v1/embeddings": self._embeddings,
            "/v1/rerank": self._rerank,
            "/v2/rerank": self._rerank,
        }
        routes = [Route(path, self._answering(path, view), methods=["POST"]) for path, view in posts.items()]
        return Starlette(routes=[*routes, Route("/v1/models", self._models)])

    def _answering(self, path: str, view: Callable[[Received, str], Response]) -> Callable[..., Any]:
        async def answer(request: Request) -> Response:
            body = await request.json()
            received = Received(len(self.received) + 1, path, body, request.headers)
            self.received.append(received)
            behaviour = self.behave(received)
            if behaviour in {"hang", "stall"} and not (behaviour == "stall" and body.get("stream")):
                await self._hang(request)
            return _refusal(received, behaviour) or view(received, behaviour)

        return answer

    async def _hang(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.abandoned += 1

    async def _models(self, _: Request) -> Response:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in ["ok", *FAULTS]]
        return JSONResponse({"object": "list", "data": models})

    def _chat(self, received: Received, behaviour: str) -> Response:
        text = self.answer(received.body)
        if received.body.get("stream"):
            return StreamingResponse(self._streamed(received, behaviour, text), media_type="text/event-stream")
        message = _message(received, text)
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        return _whole({**_head("chat.completion", received), "choices": [choice]}, received, behaviour, text)

    async def _streamed(self, received: Received, behaviour: str, text: str) -> AsyncIterator[bytes]:
        ended = False
        try:
            async for data in self._pieces(received, behaviour, text):
                yield data
            ended = True
        finally:
            self.abandoned += not ended

    async def _pieces(self, received: Received, behaviour: str, text: str) -> AsyncIterator[bytes]:
        chunks = _chunks(received, text)
        for number, chunk in enumerate(chunks):
            if number > CUT_AFTER and behaviour in {"cut", "stall", "error_event"}:
                async for last in _breaking(behaviour):
                    yield last
                return
            if behaviour == "slow":
                await asyncio.sleep(self.token_delay_s)
            yield _event(chunk)
            if behaviour == "duplicate" and number == 1:
                yield _event(chunk)
            if behaviour == "huge" and number == 1:
                yield b'data: {"padding": "' + b"x" * HUGE_BYTES + b'"}\n\n'
        usage = _usage(received, behaviour, text)
        if usage is not None:
            final = {**_head("chat.completion.chunk", received), "choices": [], "usage": usage}
            for _ in range(2 if behaviour == "duplicate" else 1):
                yield _event(final)
        yield b"data: [DONE]\n\n"

    def _embeddings(self, received: Received, behaviour: str) -> Response:
        texts = received.body["input"]
        texts = [texts] if isinstance(texts, str) else texts
        packed = received.body.get("encoding_format") == "base64"
        vectors = [vector_of(text) for text in texts]
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
            for index, vector in enumerate(vectors)
        ]
        answer = {"object": "list", "model": received.model, "data": data}
        return _whole(answer, received, behaviour, "")

    def _rerank(self, received: Received, behaviour: str) -> Response:
        wanted = set(received.body["query"].lower().split())
        scores = [
            (len(wanted & set(text.lower().split())) / max(len(wanted), 1), index)
            for index, text in enumerate(received.body["documents"])
        ]
        ranked = sorted(scores, key=lambda one: (-one[0], one[1]))[: received.body.get("top_n")]
        results = [{"index": index, "relevance_score": score} for score, index in ranked]
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return _whole({"id": "rerank-1", "results": results, "meta": meta}, received, behaviour, "")


@contextmanager
def openai_provider(**options: Any) -> Iterator[tuple[str, OpenAiProvider]]:
    """Serve a provider on a free port, and give its address (with ``/v1``) and itself."""
    provider = OpenAiProvider(**options)
    with serving(provider.app()) as url:
        yield f"{url}/v1", provider


def vector_of(text: str) -> list[float]:
    """Give the vector of a text: small numbers that packing does not change, made of its hash."""
    return [byte / 256 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSION]]


def tokens_of(text: str) -> int:
    """Say how many tokens a text has here: one for each word."""
    return len(text.split())


def _refusal(received: Received, behaviour: str) -> Response | None:
    said = f"{received.headers.get('authorization')} may not ask {json.dumps(received.body)}"
    if behaviour in _REFUSALS:
        status, code = _REFUSALS[behaviour]
        headers = {"Retry-After": str(RETRY_AFTER_S)} if behaviour == "rate_limited" else {}
        return JSONResponse(
            {"error": {"message": said, "type": behaviour, "param": None, "code": code}}, status, headers
        )
    pages: dict[str, Callable[[], Response]] = {
        "html": lambda: HTMLResponse(f"<html>{said}</html>"),
        "garbage": lambda: JSONResponse([said]),
        "redirect": lambda: RedirectResponse("http://127.0.0.1:9/elsewhere"),
    }
    return pages[behaviour]() if behaviour in pages else None


_REFUSALS = {
    "rate_limited": (429, "rate_limit_exceeded"),
    "server_error": (500, "internal"),
    "overloaded": (503, "overloaded"),
    "bad_request": (400, "invalid_value"),
    "content_policy": (400, "content_policy_violation"),
    "context_length": (400, "context_length_exceeded"),
    "unauthorized": (401, "invalid_api_key"),
    "no_credit": (429, "insufficient_quota"),
    "unknown_model": (404, "model_not_found"),
}


def _whole(answer: Mapping[str, Any], received: Received, behaviour: str, text: str) -> Response:
    body = dict(answer)
    usage = _usage(received, behaviour, text)
    if usage is not None:
        body["usage"] = usage
    encoded = json.dumps(body).encode()
    if behaviour == "cut":
        return StreamingResponse(_half(encoded), media_type="application/json")
    if behaviour == "huge":
        return StreamingResponse(_endless(), media_type="application/json")
    return Response(encoded, media_type="application/json")


async def _half(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionResetError("cut, as asked for")


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"padding": "'
    while True:
        yield b"x" * PIECE_BYTES
        await asyncio.sleep(0.001)


async def _breaking(behaviour: str) -> AsyncIterator[bytes]:
    if behaviour == "stall":
        await asyncio.sleep(FOR_EVER_S)
    if behaviour == "error_event":
        yield _event({"error": {"message": "It went wrong.", "type": "server_error", "code": 500}})
        return
    raise ConnectionResetError("cut, as asked for")


def _chunks(received: Received, text: str) -> list[dict[str, Any]]:
    head = _head("chat.completion.chunk", received)
    message = _message(received, text)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if "tool_calls" in message:
        deltas += [{"tool_calls": [{"index": 0, **call}]} for call in message["tool_calls"]]
    else:
        deltas += [{"content": piece} for piece in _words(text)]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return [*chunks, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [word if number == 0 else f" {word}" for number, word in enumerate(words)]


def _message(received: Received, text: str) -> dict[str, Any]:
    """Use the first tool where one must be used."""
    if received.body.get("tool_choice") == "required":
        function = {"name": received.body["tools"][0]["function"]["name"], "arguments": json.dumps({"said": text})}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        }
    wants_json = (received.body.get("response_format") or {}).get("type", "text") != "text"
    return {"role": "assistant", "content": json.dumps({"said": text}) if wants_json else text}


def _usage(received: Received, behaviour: str, text: str) -> dict[str, Any] | None:
    if behaviour == "no_usage":
        return None
    if behaviour == "wrong_usage":
        return {"prompt_tokens": -5, "completion_tokens": "many", "total_tokens": None}
    read = sum(map(tokens_of, _texts(received.body)))
    written = tokens_of(text)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _texts(body: Mapping[str, Any]) -> list[str]:
    texts = body.get("input", body.get("documents", [message.get("content") for message in body.get("messages", [])]))
    return [texts] if isinstance(texts, str) else [text for text in texts if isinstance(text, str)]


def _head(kind: str, received: Received) -> dict[str, Any]:
    return {"id": f"upstream-{received.number}", "object": kind, "created": 1, "model": received.model}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9911)
    port = parser.parse_args().port
    faults = "\n".join(f"  {name:16} {what}" for name, what in FAULTS.items())
    print(f"A provider for tests at http://127.0.0.1:{port}/v1; models: ok, or\n{faults}")  # noqa: T201
    uvicorn.run(OpenAiProvider().app(), port=port, log_level="warning")


if __name__ == "__main__":
    main()
