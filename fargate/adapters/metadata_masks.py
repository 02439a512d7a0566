"""Metadata filters as boolean masks, worked out on columns instead of entry by entry."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from chalicelib.domain.documents import Metadata, MetadataValue
from chalicelib.domain.filters import And, Compare, Comparison, Exists, Filter, NoneOf, OneOf, Or, StartsWith
from chalicelib.domain.metadata import Scalar, is_number

Mask = NDArray[np.bool_]
MAX_REMEMBERED_MASKS = 32


class MetadataColumns:
    """
    The metadata of a run of entries: each distinct one once (the chunks of a document share theirs), as JSON.

    Nothing here ever changes, so masks are remembered by filter. Columns are made when the first filter comes.
    """

    def __init__(self, texts: Sequence[str], kinds: NDArray[np.int32]) -> None:
        self.texts = texts
        self.kinds = kinds
        self._characters = sum(map(len, texts))
        self._columns: Mapping[str, _Column] | None = None
        self._masks: dict[str, Mask] = {}

    @classmethod
    def of(cls, texts: Sequence[str]) -> MetadataColumns:
        """Make the columns of entries whose metadata are *texts*."""
        numbers: dict[str, int] = {}
        kinds = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int32, len(texts))
        return cls(list(numbers), kinds)

    def text(self, position: int) -> str:
        """Give the metadata of the entry at *position*."""
        return self.texts[int(self.kinds[position])]

    def at(self, places: NDArray[np.uint16]) -> list[Metadata]:
        """Give the metadata of the entries at *places*, each parsed when it is first looked into."""
        return [StoredMetadata(self.texts[kind]) for kind in self.kinds[places].tolist()]

    def mask(self, wanted: Filter, signature: str) -> Mask:
        """
        Say for each entry whether it passes *wanted*, just as `domain.filters.matches` does.

        *signature* is the filter's canonical JSON: equal trees may differ in meaning (True == 1), texts do not.
        """
        mask = self._masks.get(signature)
        if mask is None:
            if len(self._masks) >= MAX_REMEMBERED_MASKS:
                self._masks = {}
            mask = self._masks[signature] = self._passes(wanted)[self.kinds]
        return mask

    @property
    def nbytes(self) -> int:
        """Estimate the memory held, columns and remembered masks included."""
        return 4 * self._characters + (4 + MAX_REMEMBERED_MASKS) * len(self.kinds)

    def _passes(self, wanted: Filter) -> Mask:
        match wanted:
            case And(parts):
                return reduce(operator.and_, [self._passes(part) for part in parts])
            case Or(parts):
                return reduce(operator.or_, [self._passes(part) for part in parts])
            case NoneOf(key, values):
                return ~self._column(key).one_of(values)
            case OneOf(key, values):
                return self._column(key).one_of(values)
            case Exists(key, present):
                return self._column(key).present if present else ~self._column(key).present
            case StartsWith(key, prefix):
                return self._column(key).starts_with(prefix)
            case Compare(key, comparison, bound):
                return self._column(key).compares(comparison, bound)

    def _column(self, key: str) -> _Column:
        if self._columns is None:
            self._columns = _columns(self.texts)
        return self._columns.get(key) or _Column(len(self.texts), [])


class StoredMetadata(Mapping[str, MetadataValue]):
    """Metadata as they are stored, parsed at the first look: of a hundred hits few are ever looked into."""

    __slots__ = ("_parsed", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._parsed: Mapping[str, MetadataValue] | None = None

    def __getitem__(self, key: str) -> MetadataValue:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    @property
    def _values(self) -> Mapping[str, MetadataValue]:
        if self._parsed is None:
            self._parsed = from_json(self._text)
        return self._parsed


def _columns(texts: Sequence[str]) -> dict[str, _Column]:
    values: dict[str, list[tuple[int, MetadataValue]]] = {}
    for place, text in enumerate(texts):
        for key, value in json.loads(text).items():
            values.setdefault(key, []).append((place, value))
    return {key: _Column(len(texts), pairs) for key, pairs in values.items()}


class _Column:
    """The values of one key, as pairs of place and value, over *size* metadata; a list counts as its elements."""

    def __init__(self, size: int, pairs: Sequence[tuple[int, MetadataValue]]) -> None:
        elements = [(place, one) for place, value in pairs for one in (value if isinstance(value, list) else (value,))]
        strings = [(place, value) for place, value in elements if isinstance(value, str)]
        self._codes = {value: code for code, value in enumerate(dict.fromkeys(value for _, value in strings))}
        self._string_codes = np.array([self._codes[value] for _, value in strings], np.int32)
        self._string_places = np.array([place for place, _ in strings], np.int32)
        self._numbers = np.full(size, np.nan)
        self._booleans = np.full(size, -1, np.int8)
        for place, value in elements:
            if isinstance(value, bool):
                self._booleans[place] = value
            elif is_number(value):
                self._numbers[place] = value
        self.present = np.zeros(size, np.bool_)
        self.present[[place for place, _ in pairs]] = True

    def one_of(self, values: Sequence[Scalar]) -> Mask:
        strings = [value for value in values if isinstance(value, str)]
        passes = self._holding(self._codes[value] for value in strings if value in self._codes)
        for value in values:
            if isinstance(value, bool):
                passes |= self._booleans == value
            elif is_number(value):
                passes |= self._numbers == value
        return passes

    def starts_with(self, prefix: str) -> Mask:
        return self._holding(code for value, code in self._codes.items() if value.startswith(prefix))

    def compares(self, comparison: Comparison, bound: float) -> Mask:
        return _COMPARES[comparison](self._numbers, bound)  # what is no number is nan here, which never compares

    def _holding(self, codes: Iterable[int]) -> Mask:
        wanted = np.zeros(len(self._codes), np.bool_)
        wanted[list(codes)] = True
        passes = np.zeros(len(self.present), np.bool_)
        passes[self._string_places[wanted[self._string_codes]]] = True
        return passes


_COMPARES: dict[Comparison, Callable[[NDArray[np.float64], float], Mask]] = {
    Comparison.GT: np.greater,
    Comparison.GTE: np.greater_equal,
    Comparison.LT: np.less,
    Comparison.LTE: np.less_equal,
}
