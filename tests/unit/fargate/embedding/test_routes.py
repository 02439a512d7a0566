"""The embedding service as an OpenAI client sees it."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import Role
from fargate.embedding.routes import router
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.fakes.embedder import DIMENSION, BagOfWords, vector
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.serving import serving


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    identify = authenticate(VERIFIER)
    routes = router({"local/minilm": BagOfWords()}, identify)
    with serving(service_app("embedding", [routes], authenticate=identify, version="1.2.3")) as url:
        yield f"{url}/embedding"


def post(url: str, body: object, role: Role | None = Role.SERVICE) -> urllib3.BaseHTTPResponse:
    """Send *body*, as JSON unless it is bytes, as a principal of *role*."""
    headers = {"Content-Type": "application/json"} | ({HEADER: str(principal(role=role).token)} if role else {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("POST", f"{url}/v1/embeddings", body=data, headers=headers)


def test_the_response_is_openai_s(url: str) -> None:
    """Field for field; usage is the tokens of all texts."""
    response = post(url, {"input": ["a cat", "dogs"], "model": "local/minilm", "user": "u-1"})
    floats = [list(struct.unpack(f"<{DIMENSION}f", vector(text))) for text in ("a cat", "dogs")]
    assert response.json() == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": floats[0]},
            {"object": "embedding", "index": 1, "embedding": floats[1]},
        ],
        "model": "local/minilm",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    assert response.headers["Content-Type"] == "application/json"


def test_one_text_may_stand_alone_and_base64_is_packed_float32(url: str) -> None:
    """What OpenAI's own client asks for."""
    found = post(url, {"input": "a cat", "model": "local/minilm", "encoding_format": "base64"}).json()["data"]
    assert [base64.b64decode(item["embedding"]) for item in found] == [vector("a cat")]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"input": [], "model": "local/minilm"}, ["input"]),
        ({"input": "", "model": "local/minilm"}, ["input", 0]),
        ({"input": ["fine", ""], "model": "local/minilm"}, ["input", 1]),
        ({"input": [[1, 2]], "model": "local/minilm"}, ["input", 0]),
        ({"input": ["x"] * 2_049, "model": "local/minilm"}, ["input"]),
        ({"input": "x"}, ["model"]),
        ({"input": "x", "model": "local/minilm", "encoding_format": "int8"}, ["encoding_format"]),
        ({"input": "x", "model": "local/minilm", "truncate": True}, ["truncate"]),
    ],
    ids=["no text", "empty", "empty among others", "token ids", "too many", "no model", "format", "unknown field"],
)
def test_what_does_not_fit_is_refused_with_its_place(url: str, body: dict[str, Any], place: list[object]) -> None:
    """Nothing is guessed, and nothing ignored in silence."""
    response = post(url, body)
    assert response.status == 400
    assert [error["loc"] for error in response.json()["errors"]] == [place]


def test_as_many_texts_as_openai_takes(url: str) -> None:
    """2,048 in one request."""
    response = post(url, {"input": ["x"] * 2_048, "model": "local/minilm", "encoding_format": "base64"})
    assert [item["index"] for item in response.json()["data"]] == list(range(2_048))


@pytest.mark.parametrize(
    ("body", "role", "status"),
    [
        ({"input": "x", "model": "gpt"}, Role.SERVICE, 404),
        ({"input": "x", "model": "local/minilm"}, Role.ADMIN, 403),
        ({"input": "x", "model": "local/minilm"}, None, 401),
        (b"{", Role.SERVICE, 400),
        (b'{"input": "' + b"x" * 8 * 1024 * 1024 + b'", "model": "local/minilm"}', Role.SERVICE, 413),
    ],
    ids=["unknown model", "not a service", "nobody", "no json", "too large"],
)
def test_refusals_are_problems(url: str, body: object, role: Role | None, status: int) -> None:
    """With the status that says whose turn it is."""
    response = post(url, body, role)
    assert (response.status, response.json()["status"]) == (status, status)
    assert response.headers["Content-Type"] == "application/problem+json"


def test_models_and_health_answer(url: str) -> None:
    """Models for services; health for anybody."""
    with urllib3.PoolManager(retries=False) as pool:
        health = pool.request("GET", f"{url}/health")
        models = pool.request("GET", f"{url}/v1/models", headers={HEADER: str(principal(role=Role.SERVICE).token)})
    assert health.json()["status"] == "ok"
    assert [model["id"] for model in models.json()["data"]] == ["local/minilm"]
