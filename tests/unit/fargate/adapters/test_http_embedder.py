"""What the client of the embedding service makes of answers that are none."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from fastapi import FastAPI, Request, Response

from chalicelib.contracts.embeddings import EmbeddingItem, EmbeddingsResponse, EmbeddingsUsage
from chalicelib.contracts.identity import HEADER
from chalicelib.errors import BadUpstream, DeadlineExceeded, RagError, Unavailable
from chalicelib.observability import spans
from chalicelib.ports.models import Embeddings, Purpose
from fargate.adapters.http_embedder import HttpEmbedder, HttpEmbedderOptions
from tests.fakes.serving import serving


def response(items: list[EmbeddingItem]) -> Response:
    """Give an answer of the right shape."""
    usage = EmbeddingsUsage(prompt_tokens=1, total_tokens=1)
    body = EmbeddingsResponse(data=items, model="local/minilm", usage=usage).model_dump_json()
    return Response(body, media_type="application/json")


@contextmanager
def service(answer: Callable[[Request], Response]) -> Iterator[str]:
    """Serve *answer* where the embedding service would be."""
    app = FastAPI()

    @app.post("/embedding/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        await request.body()
        return answer(request)

    with serving(app) as url:
        yield url


def embed(url: str, query_s: float = 20.0) -> Embeddings:
    """Ask for one vector."""
    with closing(HttpEmbedder(url, lambda: "token", HttpEmbedderOptions(query_s=query_s))) as embedder:
        return asyncio.run(embedder.embed(["cat"], Purpose.QUERY))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response("<html>busy</html>", 503), Unavailable),
        (Response("<html>lost</html>", 502), BadUpstream),
        (Response(json.dumps(["no problem"]), 504), DeadlineExceeded),
        (Response("<html>welcome</html>", 200), BadUpstream),
        (response([]), BadUpstream),
        (response([EmbeddingItem(index=0, embedding="AACAPw==")]), BadUpstream),
        (response([EmbeddingItem(index=0, embedding="not base 64")]), BadUpstream),
        (response([EmbeddingItem(index=0, embedding=[0.5] * 384)]), BadUpstream),
    ],
    ids=["503", "502", "504", "no json", "no vector", "short vector", "no base 64", "numbers"],
)
def test_an_answer_that_is_none_is_the_dependency_s_fault(answer: Response, expected: type[RagError]) -> None:
    """Whatever a proxy or a stranger answers, the caller sees a retryable error and never a wrong vector."""
    with service(lambda _: answer) as url, pytest.raises(expected):
        embed(url)


def test_a_redirect_is_not_followed() -> None:
    """It would carry the identity token to another host."""
    redirect = Response(status_code=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
    with service(lambda _: redirect) as url, pytest.raises(RagError) as raised:
        embed(url)
    assert "307" in raised.value.detail


def test_nobody_listening_is_unavailable() -> None:
    """The message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable, match=str(port)):
        embed(f"http://127.0.0.1:{port}")


def test_no_answer_in_time_is_a_deadline() -> None:
    """The connection stands, but nothing comes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeadlineExceeded):
            embed(f"http://127.0.0.1:{port}", query_s=0.05)


def test_each_request_carries_a_fresh_token_and_the_trace() -> None:
    """Tokens are short-lived, so the source is asked every time."""
    seen: list[tuple[str, str]] = []

    def answer(request: Request) -> Response:
        seen.append((request.headers[HEADER], request.headers[spans.TRACE_HEADER]))
        return Response(status_code=503)

    tokens = iter(["first", "second"])

    async def twice(embedder: HttpEmbedder) -> str:
        trace = spans.start_trace()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await embedder.embed(["cat"], Purpose.QUERY)
        return trace

    with service(answer) as url, closing(HttpEmbedder(url, lambda: next(tokens))) as embedder:
        trace = asyncio.run(twice(embedder))
    assert [token for token, _ in seen] == ["first", "second"]
    assert all(header.startswith(f"Root={trace}") for _, header in seen)


def test_a_long_text_is_not_sent_whole() -> None:
    """Only its beginning decides, so only that travels; questions say that they are questions."""
    bodies: list[dict[str, object]] = []

    def answer(request: Request) -> Response:
        bodies.append(json.loads(request._body))
        return Response(status_code=503)

    with service(answer) as url, closing(HttpEmbedder(url, lambda: "token")) as embedder, pytest.raises(Unavailable):
        asyncio.run(embedder.embed(["some words " * 900_000], Purpose.QUERY))
    assert len(str(bodies[0]["input"])) < 10_000
    assert bodies[0]["input_type"] == "query"


def test_the_event_loop_goes_on_while_the_service_thinks() -> None:
    """Waiting for an answer costs a thread, not the loop."""
    release = threading.Event()

    def answer(_: Request) -> Response:
        release.wait(5)
        return Response(status_code=503)

    async def story(embedder: HttpEmbedder) -> bool:
        asking = asyncio.create_task(embedder.embed(["cat"], Purpose.DOCUMENT))
        began = time.monotonic()
        await asyncio.sleep(0.01)
        free = not asking.done() and time.monotonic() - began < 4
        release.set()
        with pytest.raises(Unavailable):
            await asking
        return free

    with service(answer) as url, closing(HttpEmbedder(url, lambda: "token")) as embedder:
        assert asyncio.run(story(embedder))


def test_after_closing_it_is_unavailable() -> None:
    """A closed client says so."""
    embedder = HttpEmbedder("http://127.0.0.1:9", lambda: "token")
    embedder.close()
    with pytest.raises(Unavailable, match="closed"):
        asyncio.run(embedder.embed(["cat"], Purpose.QUERY))
