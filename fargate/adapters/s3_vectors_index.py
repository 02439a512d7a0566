"""What is known of an index in S3 Vectors: what it was made as, and the languages that its texts are in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.metadata import TEXT_KEY
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import VectorIndexSpec
from fargate.adapters.lexical_analysis import analysed_as

LANGUAGE_TAG = "ragstone:index-language"
TEXTS_TAG = "ragstone:texts-in:"
"""With the language; one tag each, so that two writers cannot undo each other's."""
FRESH_FOR_S = 30.0
"""For so long another process may not know of the first text of a language that the index did not hold before."""
MAX_REMEMBERED = 1_024
_PLAIN = "other"


@dataclass(frozen=True, slots=True)
class Described:
    """An index as it was read *at*; *made* tells it from another one that had its name before."""

    arn: str
    made: str
    spec: VectorIndexSpec
    enhanced: bool
    searchable: bool
    languages: frozenset[str]
    at: float


class Descriptions:
    """Describes the indexes of *bucket*, from memory where that will do; safe from any thread."""

    def __init__(self, client: Any, bucket: str, clock: Clock) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Described] = OrderedDict()

    def remembered(self, name: str) -> Described:
        """Give what is known of the index, at most `FRESH_FOR_S` old."""
        with self._lock:
            known = self._known.get(name)
        if known is not None and self._clock.monotonic() - known.at < FRESH_FOR_S:
            return known
        return self.read(name)

    def current(self, name: str) -> Described:
        """Give the index as it is; its languages at least those known when it was read last."""
        with self._lock:
            known = self._known.get(name)
        index = self._index(name)
        return known if known is not None and known.made == _made(index) else self._keep(name, self._described(index))

    def read(self, name: str) -> Described:
        """Read all anew."""
        return self._keep(name, self._described(self._index(name)))

    def add_languages(self, name: str, described: Described, languages: Collection[str]) -> None:
        """Note that texts of *languages* are in the index, before they are."""
        new = frozenset(map(analysed_as, languages)) - described.languages
        if new:
            tags = {f"{TEXTS_TAG}{language or _PLAIN}": "" for language in sorted(new)}
            self._client.tag_resource(resourceArn=described.arn, tags=tags)
            self._keep(name, replace(described, languages=described.languages | new))

    def forget(self, name: str) -> None:
        """Let go of what is known of the index."""
        with self._lock:
            self._known.pop(name, None)

    def _index(self, name: str) -> Mapping[str, Any]:
        index: Mapping[str, Any] = self._client.get_index(vectorBucketName=self._bucket, indexName=name)["index"]
        return index

    def _described(self, index: Mapping[str, Any]) -> Described:
        tags = self._client.list_tags_for_resource(resourceArn=index["indexArn"])["tags"]
        texts = index.get("metadataConfiguration", {}).get("textSearchConfigurations", [])
        languages = (tag.removeprefix(TEXTS_TAG) for tag in tags if tag.startswith(TEXTS_TAG))
        return Described(
            arn=index["indexArn"],
            made=_made(index),
            spec=VectorIndexSpec(index["dimension"], tags.get(LANGUAGE_TAG, "")),
            enhanced=index.get("indexMode", "ENHANCED") == "ENHANCED",
            searchable=any(one["metadataKey"] == TEXT_KEY for one in texts),
            languages=frozenset("" if language == _PLAIN else language for language in languages),
            at=self._clock.monotonic(),
        )

    def _keep(self, name: str, described: Described) -> Described:
        with self._lock:
            self._known[name] = described
            self._known.move_to_end(name)
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        return described


def _made(index: Mapping[str, Any]) -> str:
    return str(index["creationTime"])
