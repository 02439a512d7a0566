"""The vector store in Amazon S3 Vectors: one vector index for each index of the port, in ENHANCED mode."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from chalicelib.domain.metadata import TEXT_KEY
from chalicelib.errors import Conflict, InvalidRequest, Misconfigured, NotFound
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import Capabilities, Hit, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.lexical_analysis import Analysers, QueryTerm
from fargate.adapters.s3_vectors_entries import entry_of, in_parts, record_of
from fargate.adapters.s3_vectors_errors import CONFLICT, NOT_FOUND, errors_of, tolerated
from fargate.adapters.s3_vectors_filters import service_filter
from fargate.adapters.s3_vectors_index import LANGUAGE_TAG, Described, Descriptions
from fargate.adapters.s3_vectors_names import index_name, service_name, service_prefixes
from fargate.adapters.s3_vectors_search import Found, hits_of, searches
from fargate.adapters.vector_checks import (
    check_delete,
    check_get,
    check_page,
    check_query,
    check_records,
    check_spec,
)
from fargate.adapters.write_pace import WritePace


class S3Vectors:
    """
    `VectorIndex` in the vector bucket *bucket*, which the platform's template makes; *client* is one of boto3's.

    BM25 is the service's own (`Capabilities.own_statistics`). A put larger than 19 MiB is sent in parts: all records
    are checked before, but where the service fails in between, those sent are there. `list` has an order of the
    service's own, entries of equal score may be cut at *top_k* by another order than that of their keys, and how near
    the dense leg comes to the very nearest is the service's affair. *sleep* waits where an index is written to faster
    than the service takes it.
    """

    def __init__(self, client: Any, bucket: str, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._bucket = bucket
        self._pace = WritePace(clock, sleep)
        self._descriptions = Descriptions(client, bucket, clock)
        self._analysers = Analysers()
        members = client.meta.service_model.operation_model("QueryVectors").input_shape.members
        self._searches_texts = "queryTexts" in members

    @property
    def capabilities(self) -> Capabilities:
        """See `VectorIndex.capabilities`; a boto3 that does not know of text queries yet has no lexical leg."""
        found = self._searches_texts
        return Capabilities(native_hybrid=found, lexical=found, own_statistics=True, ordered=False)

    def create(self, index: VectorIndexName, spec: VectorIndexSpec) -> None:
        """See `VectorIndex.create`."""
        check_spec(spec)
        name = service_name(index.name)
        with self._errors_of_bucket():
            self._make(name, spec)
            described = self._descriptions.read(name)
            if described.spec != spec:
                raise Conflict(f"vector index {index.name!r} exists as {described.spec}, not {spec}; drop it first")
            if not described.enhanced:
                self._client.update_index_mode(**self._index(name), indexMode="ENHANCED")

    def drop(self, index: VectorIndexName) -> None:
        """See `VectorIndex.drop`."""
        name = service_name(index.name)
        self._descriptions.forget(name)
        with self._errors_of_bucket(), tolerated(NOT_FOUND):
            self._client.delete_index(**self._index(name))

    def indexes(self, prefix: str = "") -> Sequence[VectorIndexName]:
        """See `VectorIndex.indexes`."""
        with self._errors_of_bucket():
            found = {index_name(name) for start in service_prefixes(prefix) for name in self._names(start)}
        return [VectorIndexName(name) for name in sorted(found) if name.startswith(prefix)]

    def put(self, index: VectorIndexName, records: Sequence[VectorRecord]) -> None:
        """See `VectorIndex.put`."""
        name = service_name(index.name)
        with self._errors_of(index, name):
            described = self._descriptions.current(name)
            check_records(records, described.spec.dimension)
            language = described.spec.language
            entries = [entry_of(record, language, self._analysers) for record in records]
            self._descriptions.add_languages(name, described, {record.language or language for record in records})
            for part in in_parts(entries):
                self._pace.wait(name, len(part))
                self._client.put_vectors(**self._index(name), vectors=part)

    def get(self, index: VectorIndexName, keys: Sequence[str]) -> Sequence[VectorRecord]:
        """See `VectorIndex.get`."""
        check_get(keys)
        name = service_name(index.name)
        with self._errors_of(index, name):
            if not keys:
                self._descriptions.current(name)
                return []
            asked = {"keys": list(keys), "returnData": True, "returnMetadata": True}
            found = self._client.get_vectors(**self._index(name), **asked)["vectors"]
        return sorted(map(record_of, found), key=lambda record: record.key)

    def delete(self, index: VectorIndexName, keys: Sequence[str]) -> None:
        """See `VectorIndex.delete`."""
        check_delete(keys)
        name = service_name(index.name)
        with self._errors_of(index, name):
            if not keys:
                self._descriptions.current(name)
                return
            self._pace.wait(name, len(keys))
            self._client.delete_vectors(**self._index(name), keys=list(keys))

    def list(
        self, index: VectorIndexName, *, limit: int = 500, cursor: str | None = None
    ) -> tuple[Sequence[str], str | None]:
        """See `VectorIndex.list`; the cursor is the service's."""
        check_page(limit, cursor)
        name = service_name(index.name)
        keys: list[str] = []
        with self._errors_of(index, name):
            while True:
                token = {"nextToken": cursor} if cursor else {}
                page = self._client.list_vectors(**self._index(name), maxResults=limit - len(keys), **token)
                keys.extend(one["key"] for one in page["vectors"])
                cursor = page.get("nextToken")
                if cursor is None or len(keys) == limit:
                    return keys, cursor

    def query(self, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        """See `VectorIndex.query`."""
        name = service_name(index.name)
        with self._errors_of(index, name):
            described = self._fitting(name, query)
            wanted = service_filter(query.within, query.filter)
            terms = self._terms(query, described)
            if wanted is False:
                return []
            common = {"returnMetadata": True} | ({} if wanted is True else {"filter": wanted})
            found = Found()
            for legs in searches(query, terms):
                for page in self._pages(name, common | legs):
                    found.add(page)
        return hits_of(found, query.top_k, terms)

    def version(self, index: VectorIndexName) -> str | None:
        """See `VectorIndex.version`: this store cannot tell."""
        name = service_name(index.name)
        with self._errors_of(index, name):
            self._descriptions.remembered(name)
        return None

    def close(self) -> None:
        """See `VectorIndex.close`."""
        self._client.close()

    def _make(self, name: str, spec: VectorIndexSpec) -> None:
        """Make the index, unless there is one already."""
        texts = {"textSearchConfigurations": [{"metadataKey": TEXT_KEY}]} if self._searches_texts else {}
        with tolerated(CONFLICT):
            self._client.create_index(
                **self._index(name),
                dataType="float32",
                dimension=spec.dimension,
                distanceMetric="cosine",
                metadataConfiguration={"nonFilterableMetadataKeys": [TEXT_KEY]} | texts,
                tags={LANGUAGE_TAG: spec.language},
            )

    def _names(self, prefix: str) -> Iterator[str]:
        asked = {"vectorBucketName": self._bucket} | ({"prefix": prefix} if prefix else {})
        for page in self._client.get_paginator("list_indexes").paginate(**asked):
            yield from (one["indexName"] for one in page["indexes"])

    def _fitting(self, name: str, query: VectorQuery) -> Described:
        """Describe the index; read anew where the query does not fit what was known, for it may be another now."""
        described = self._descriptions.remembered(name)
        try:
            check_query(query, described.spec.dimension)
        except InvalidRequest:
            described = self._descriptions.read(name)
            check_query(query, described.spec.dimension)
        return described

    def _terms(self, query: VectorQuery, described: Described) -> Sequence[QueryTerm] | None:
        """Give the terms of the question, None where no text is searched."""
        if query.text is None:
            return None
        if self._searches_texts and described.searchable:
            return self._analysers.query_terms(query.text, described.languages, described.spec.language)
        if query.vector is None:
            raise Misconfigured(
                "This index cannot be searched by words: it was made, or is asked, by a boto3 older than 1.44.5; "
                "bring it up to date and build a new generation."
            )
        return None

    def _pages(self, name: str, asked: dict[str, Any]) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            page = self._client.query_vectors(**self._index(name), **asked, **token)
            yield page["vectors"]
            if "nextToken" not in page:
                return
            token = {"nextToken": page["nextToken"]}

    def _index(self, name: str) -> dict[str, str]:
        return {"vectorBucketName": self._bucket, "indexName": name}

    @contextmanager
    def _errors_of(self, index: VectorIndexName, name: str) -> Iterator[None]:
        missing = NotFound(f"vector index {index.name!r} does not exist; create it first")
        try:
            with errors_of(missing):
                yield
        except NotFound:
            self._descriptions.forget(name)
            raise

    def _errors_of_bucket(self) -> AbstractContextManager[None]:
        return errors_of(
            Misconfigured(
                f"The vector bucket {self._bucket!r} does not exist; deploy the platform's template, or name another."
            )
        )
