"""Texts that wait for the model: questions first, then the oldest, each together with others of its length."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from chalicelib.errors import RagError, Unavailable
from chalicelib.ports.models import Purpose

_LENGTH_STEP = 16


class Group:
    """Texts that were handed in together; *future* gets their vectors, in order, once the last is there."""

    def __init__(self, ids: Sequence[Sequence[int]]) -> None:
        self.future: Future[list[bytes]] = Future()
        self.texts = [WaitingText(self, place, text) for place, text in enumerate(ids)]
        self._vectors = [b""] * len(ids)
        self._missing = len(ids)
        self._lock = threading.Lock()

    def deliver(self, place: int, vector: bytes) -> None:
        """Take the vector of the text at *place*."""
        with self._lock:
            self._vectors[place] = vector
            self._missing -= 1
            complete = self._missing == 0
        if complete and self.future.set_running_or_notify_cancel():
            self.future.set_result(self._vectors)

    def fail(self, error: RagError) -> None:
        """Give *error* to whoever waits, unless that is settled already."""
        with self._lock:
            if not self.future.done() and self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class WaitingText:
    """One text: its token ids, and where its vector goes."""

    group: Group
    place: int
    ids: Sequence[int]


def padded_length(tokens: int) -> int:
    """Round up to a multiple of 16: few lengths, so that the model prepares its kernels once for each."""
    return -(-tokens // _LENGTH_STEP) * _LENGTH_STEP


class EmbeddingBacklog:
    """
    The line in front of the model; safe from any thread.

    A batch holds texts of one padded length only, so no vector depends on what else was in its batch.
    """

    def __init__(self, batch_tokens: int) -> None:
        """Make batches of up to *batch_tokens* tokens, padding included, and of at least one text."""
        self._batch_tokens = batch_tokens
        self._lines: dict[Purpose, dict[int, deque[tuple[int, WaitingText]]]] = {purpose: {} for purpose in Purpose}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, texts: Iterable[WaitingText], purpose: Purpose) -> None:
        """Line up *texts*; raises `Unavailable` when closed."""
        with self._changed:
            if self._closed:
                raise Unavailable("the embedding model is shutting down; try again")
            for text in texts:
                line = self._lines[purpose].setdefault(padded_length(len(text.ids)), deque())
                line.append((next(self._numbers), text))
            self._changed.notify_all()

    def take(self) -> list[WaitingText]:
        """Give the next batch, waiting for one; an empty list means closed. Texts nobody waits for are dropped."""
        with self._changed:
            while not self._closed:
                if batch := self._next():
                    return batch
                self._changed.wait()
            return []

    def close(self) -> None:
        """Fail whatever waits with `Unavailable`, and let every `take` return."""
        with self._changed:
            self._closed = True
            left = {text.group for lines in self._lines.values() for line in lines.values() for _, text in line}
            self._lines = {purpose: {} for purpose in Purpose}
            self._changed.notify_all()
        for group in left:
            group.fail(Unavailable("the embedding model was shut down; try again"))

    def _next(self) -> list[WaitingText]:
        for purpose in (Purpose.QUERY, Purpose.DOCUMENT):
            lines = self._lines[purpose]
            while lines:
                length = min(lines, key=lambda length: lines[length][0][0])
                batch = _cut(lines[length], max(1, self._batch_tokens // length))
                if not lines[length]:
                    del lines[length]
                if batch:
                    return batch
        return []


def _cut(line: deque[tuple[int, WaitingText]], size: int) -> list[WaitingText]:
    batch: list[WaitingText] = []
    while line and len(batch) < size:
        _, text = line.popleft()
        if not text.group.future.done():
            batch.append(text)
    return batch
