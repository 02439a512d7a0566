"""Vectors and texts that can be searched, shaped like Amazon S3 Vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from chalicelib.domain.documents import Metadata
from chalicelib.domain.filters import Filter

MAX_PUT = 500
MAX_GET = 100
MAX_DELETE = 500
MAX_LIST = 1_000
MAX_TOP_K = 10_000
MAX_DIMENSION = 4_096
MAX_TEXT_QUERY_CHARACTERS = 10_240


@dataclass(frozen=True, slots=True)
class VectorIndexName:
    """The physical index of one tenant, index and generation. Made by `repositories.keys` only."""

    name: str


@dataclass(frozen=True, slots=True)
class VectorIndexSpec:
    """What cannot change after making: the *dimension*, and the *language* of the texts that do not name theirs."""

    dimension: int
    language: str = "en"


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """
    One entry: *vector* is packed little-endian float32 and not zero; *text* is what the lexical leg searches.

    *metadata* can be filtered on and keeps to the limits of `domain.metadata.check_metadata`. *language* is that of the
    text, by ISO 639-1; None for the index's.
    """

    key: str
    vector: bytes
    text: str
    metadata: Metadata = field(default_factory=dict)
    language: str | None = None


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """
    What to look for: a *vector* (packed as in `VectorRecord`), a *text*, or both.

    *top_k* bounds each leg by itself. *within* is what the asker may know of: nothing else is found, and no score
    depends on anything else, since the statistics of BM25 are those of what it lets pass (but for
    `Capabilities.own_statistics`). *filter* is what is looked for among that; it is applied before ranking and changes
    no score.
    """

    top_k: int
    vector: bytes | None = None
    text: str | None = None
    filter: Filter | None = None
    within: Filter | None = None


class Hit(NamedTuple):  # hundreds are made for each question, and a tuple costs a quarter of a dataclass
    """
    An entry that was found. Ranks count from 1 within a leg, None where that leg did not bring it.

    *similarity* is the cosine (high is near), *lexical_score* a BM25 (high is good; 0 where no term matches).
    A store gives a score without a rank when it knows how the entry would score in a leg that did not bring it.
    """

    key: str
    metadata: Metadata
    dense_rank: int | None = None
    similarity: float | None = None
    lexical_rank: int | None = None
    lexical_score: float | None = None
    matched_terms: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    What a store can do by itself, and where it may differ from what `VectorIndex` says.

    *native_hybrid*: one call searches both legs. *lexical*: texts are searched; where they are not, a text is left out
    beside a vector, and alone raises `Misconfigured`. *own_statistics*: BM25 is the service's own, which counts entries
    that the asker may not know of, and each form of a word by itself. *ordered*: `VectorIndex.list` goes by key; where
    it does not, it gives each key once, and pages that others write between may miss what is new.
    """

    native_hybrid: bool
    lexical: bool = True
    own_statistics: bool = False
    ordered: bool = True


class VectorIndex(Protocol):
    """
    The search store. All calls are safe from any thread and from several processes at once.

    What `put` and `delete` did is seen by every query that starts after they return, in any process.
    Every call raises `Unavailable` when the store does not answer, `StorageFull` when there is no space left, and,
    but for `create` and `drop`, `NotFound` for an index that does not exist.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Say what this store does by itself."""
        ...

    def create(self, index: VectorIndexName, spec: VectorIndexSpec) -> None:
        """Make an index. Making it again with the same spec changes nothing; with another raises `Conflict`."""
        ...

    def drop(self, index: VectorIndexName) -> None:
        """Remove an index with everything in it; removing what is not there succeeds."""
        ...

    def indexes(self, prefix: str = "") -> Sequence[VectorIndexName]:
        """Give every index whose name begins with *prefix*, by name."""
        ...

    def put(self, index: VectorIndexName, records: Sequence[VectorRecord]) -> None:
        """
        Write at most `MAX_PUT` records of distinct keys, replacing those of the same key; all or none.

        Raises `InvalidRequest` for a vector of another dimension, not finite or zero, and for metadata over its limits.
        """
        ...

    def get(self, index: VectorIndexName, keys: Sequence[str]) -> Sequence[VectorRecord]:
        """Give those of at most `MAX_GET` keys that exist, by key."""
        ...

    def delete(self, index: VectorIndexName, keys: Sequence[str]) -> None:
        """Remove at most `MAX_DELETE` keys; removing what is not there succeeds."""
        ...

    def list(
        self, index: VectorIndexName, *, limit: int = 500, cursor: str | None = None
    ) -> tuple[Sequence[str], str | None]:
        """Give at most *limit* (1 to `MAX_LIST`) keys in order (`Capabilities.ordered`), and the next page's cursor."""
        ...

    def query(self, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        """
        Search each leg that *query* names for its best ``top_k`` (1 to `MAX_TOP_K`) permitted entries.

        Gives the union of the legs' hits, each key once, in no promised order; equal scores rank by key. The lexical
        leg brings only entries in which a term matches; a text without any searchable term brings none.

        Every text is analysed in its own language, and the question in all of those that the index holds: whichever
        form of a word an entry has, it counts once. A stop word of the question's language is looked for nowhere.
        """
        ...

    def version(self, index: VectorIndexName) -> str | None:
        """
        Name the state that a query would see now: another after every write, and never one of an index dropped before.

        None where the store cannot tell.
        """
        ...

    def close(self) -> None:
        """Let go of files and memory."""
        ...
