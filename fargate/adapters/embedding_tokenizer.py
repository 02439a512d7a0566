"""How texts become the tokens of an embedding model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import Purpose, TokenSpans

_HEAD_CHARACTERS = 4_096
_SEGMENT_CHARACTERS = 16_384  # larger ones are slower: they no longer fit into the cache
_SPACE = re.compile(r"[^\S\x1c-\x1f]")  # those four are spaces to Python alone


@dataclass(frozen=True, slots=True)
class Frame:
    """The tokens that a model wants around every text: special ones, and those that say what it is embedded for."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


class EmbeddingTokenizer:
    """
    Cuts texts into a model's tokens; safe from any thread. The work is done without the interpreter's lock.

    *tokenizer* neither cuts nor pads, and no token of it reaches over white space. With its frame for a purpose, of
    *frames*, a text gets *max_tokens*.
    """

    def __init__(self, tokenizer: Tokenizer, frames: Mapping[Purpose, Frame], max_tokens: int) -> None:
        # One thread is enough beside the model, and a thread pool inside the library would not survive a fork.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.frames = frames
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._most = max_tokens - min(map(len, frames.values()))

    def ids(self, texts: Sequence[str], purpose: Purpose) -> list[list[int]]:
        """Give the token ids of each text in its frame, cut to what the model takes."""
        heads = [self.head(text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(heads, add_special_tokens=False)
        frame = self.frames[purpose]
        room = self._max_tokens - len(frame)
        return [[*frame.before, *encoding.ids[:room], *frame.after] for encoding in encodings]

    def head(self, text: str) -> str:
        """Give a beginning of *text* that comes to the same `ids`; short, however long the text is."""
        length = _HEAD_CHARACTERS
        while length < len(text):
            if self._decides(text[:length]):
                return text[:length]
            length *= 2
        return text

    def spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`; of several tokens that come from one character, one is told."""
        _refuse_halves(text)
        spans: dict[int, int] = {}
        for begin, end in _segments(text):
            for left, right in self._encode(text[begin:end]).offsets:
                spans[begin + left] = begin + right
        return TokenSpans(list(spans), list(spans.values()))

    def _decides(self, head: str) -> bool:
        # What follows can change nothing before the last word of the head, which may itself be cut short.
        words = self._encode(head).word_ids
        return len(words) > self._most and words[self._most - 1] != words[-1]

    def _encode(self, text: str) -> Encoding:
        # A batch of one: unlike `encode`, it gives other threads the interpreter meanwhile.
        return self._tokenizer.encode_batch([text], add_special_tokens=False)[0]


def refuse_unusable(texts: Sequence[str]) -> None:
    """Raise `InvalidRequest` for a text that is empty or is not Unicode, naming its place in the list."""
    for place, text in enumerate(texts):
        if not text:
            raise InvalidRequest(f"text {place} is empty; leave it out, or send what it says")
        _refuse_halves(text, place)


def _refuse_halves(text: str, place: int = 0) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        wrong = f"U+{ord(text[error.start]):04X} at character {error.start}"
        raise InvalidRequest(f"text {place} holds half of a surrogate pair, {wrong}; decode it anew") from error


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """Cut at white space, where no token crosses, so that memory stays small however long the text is."""
    begin = 0
    while begin < len(text):
        space = _SPACE.search(text, begin + _SEGMENT_CHARACTERS)
        end = space.start() if space else len(text)
        yield begin, end
        begin = end
