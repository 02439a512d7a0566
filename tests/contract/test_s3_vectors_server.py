"""The server that stands for S3 Vectors refuses what AWS refuses, as boto3 tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.fakes import s3_vectors_rules as rules
from tests.fakes.s3_vectors_server import S3VectorsServer, s3_vectors_server

VECTOR = {"float32": [1.0, 0.0]}
KEYS = [f"k{number}" for number in range(11)]
_numbers = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[S3VectorsServer]:
    """Serve S3 Vectors."""
    with s3_vectors_server() as running:
        yield running


@pytest.fixture(scope="module")
def unchecked(server: S3VectorsServer) -> Iterator[Any]:
    """Give a client that sends whatever it is told to."""
    client = server.new_client(Config(parameter_validation=False))
    yield client
    client.close()


@pytest.fixture
def index(server: S3VectorsServer) -> dict[str, str]:
    """Make an index of two dimensions whose key `text` is searched."""
    name = {"vectorBucketName": f"bucket-{next(_numbers)}", "indexName": "index"}
    server.client.create_vector_bucket(vectorBucketName=name["vectorBucketName"])
    server.client.create_index(**name, **made())
    return name


def made(**others: Any) -> dict[str, Any]:
    """Give what an index is made of."""
    texts = {"nonFilterableMetadataKeys": ["text"], "textSearchConfigurations": [{"metadataKey": "text"}]}
    return {"dataType": "float32", "dimension": 2, "distanceMetric": "cosine", "metadataConfiguration": texts} | others


def put(*vectors: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Give vectors of these keys and metadata."""
    return {"vectors": [{"key": key, "data": VECTOR, "metadata": metadata} for key, metadata in vectors]}


def asked(**others: Any) -> dict[str, Any]:
    """Give a query."""
    return {"topK": 5, "queryVector": VECTOR} | others


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("create_index", {"indexName": "no", **made()}),
        ("create_index", {"indexName": "Capital", **made()}),
        ("create_index", {"indexName": "many", **made(dimension=4_097)}),
        ("create_index", {"indexName": "odd", **made(distanceMetric="dot")}),
        ("create_index", {"indexName": "tagged", **made(tags={"what?": ""})}),
        (
            "create_index",
            {"indexName": "keys", **made(metadataConfiguration={"nonFilterableMetadataKeys": ["k"] * 11})},
        ),
        ("put_vectors", put(*[(str(number), {}) for number in range(501)])),
        ("put_vectors", {"vectors": []}),
        ("put_vectors", put(("twice", {}), ("twice", {}))),
        ("put_vectors", put(("k" * 1_025, {}))),
        ("put_vectors", put(("keys", {str(number): 1 for number in range(rules.METADATA_KEYS.limit + 1)}))),
        ("put_vectors", put(("filterable", {"large": "x" * rules.FILTERABLE_BYTES.limit}))),
        ("put_vectors", put(("all", {"text": "x" * rules.METADATA_BYTES.limit}))),
        ("put_vectors", put(("nested", {"a": {"b": 1}}))),
        ("put_vectors", {"vectors": [{"key": "zero", "data": {"float32": [0, 0]}}]}),
        ("put_vectors", {"vectors": [{"key": "short", "data": {"float32": [1]}}]}),
        ("put_vectors", {"vectors": [{"key": "large", "data": {"float32": [1e39, 0]}}]}),
        ("get_vectors", {"keys": ["k"] * 101}),
        ("delete_vectors", {"keys": ["k"] * 501}),
        ("list_vectors", {"maxResults": 1_001}),
        ("list_vectors", {"segmentCount": 4}),
        ("list_vectors", {"segmentCount": 4, "segmentIndex": 4}),
        ("list_vectors", {"nextToken": "none of mine"}),
        ("query_vectors", asked(topK=0)),
        ("query_vectors", asked(topK=rules.TOP_K.limit + 1)),
        ("query_vectors", {"topK": 5}),
        ("query_vectors", asked(queryTexts=[{"text": "x" * 1_025, "metadataKey": "text"}])),
        ("query_vectors", asked(queryTexts=[{"text": "x", "metadataKey": "other"}])),
        ("query_vectors", asked(queryTexts=[{"text": "x", "metadataKey": "text"}] * 2)),
        ("query_vectors", asked(queryMode="CLASSIC")),
        ("query_vectors", asked(filter={})),
        ("query_vectors", asked(filter={"text": "x"})),
        ("query_vectors", asked(filter={"a": {"$in": []}})),
        ("query_vectors", asked(filter={"a": {"$gt": "1"}})),
        ("query_vectors", asked(filter={"a": {"$like": "1"}})),
        ("query_vectors", asked(filter={"$nor": [{"a": 1}]})),
        ("query_vectors", asked(filter={"$and": [{str(n): 1} for n in range(rules.FILTER_CONSTRAINTS.limit + 1)]})),
    ],
)
def test_what_is_not_valid_is_refused(
    server: S3VectorsServer, unchecked: Any, index: dict[str, str], operation: str, params: dict[str, Any]
) -> None:
    """With 400 and the error that boto3 has for it, before anything is done."""
    with pytest.raises(ClientError) as raised:
        getattr(unchecked, operation)(**(index | params))
    assert isinstance(raised.value, unchecked.exceptions.ValidationException)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert server.client.list_vectors(**index)["vectors"] == []


def test_errors_are_those_of_the_model_with_their_status(server: S3VectorsServer, index: dict[str, str]) -> None:
    """409 for what exists, 404 for what does not, 409 for a bucket that is not empty."""
    errors = server.client.exceptions
    bucket = {"vectorBucketName": index["vectorBucketName"]}
    cases: list[tuple[Callable[[], Any], Any, int]] = [
        (lambda: server.client.create_index(**index, **made()), errors.ConflictException, 409),
        (lambda: server.client.get_index(**bucket, indexName="another"), errors.NotFoundException, 404),
        (lambda: server.client.delete_vector_bucket(**bucket), errors.ConflictException, 409),
    ]
    for call, kind, status in cases:
        with pytest.raises(kind) as raised:
            call()
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_what_is_missing_is_left_out_without_a_word(server: S3VectorsServer, index: dict[str, str]) -> None:
    """By GetVectors, which is no error."""
    server.client.put_vectors(**index, **put(("a", {"team": "hr"})))
    found = server.client.get_vectors(**index, keys=["missing", "a"], returnMetadata=True)["vectors"]
    assert found == [{"key": "a", "metadata": {"team": "hr"}}]


def test_segments_together_list_every_key_once(server: S3VectorsServer, index: dict[str, str]) -> None:
    """Page by page, in no order that means anything."""
    server.client.put_vectors(**index, **put(*[(f"k{number}", {}) for number in range(60)]))
    keys: list[str] = []
    for segment in range(4):
        pages = server.client.get_paginator("list_vectors").paginate(
            **index, segmentCount=4, segmentIndex=segment, maxResults=7
        )
        keys.extend(one["key"] for page in pages for one in page["vectors"])
    assert sorted(keys) == sorted(f"k{number}" for number in range(60))
    assert keys != sorted(keys)


def test_a_hybrid_search_is_one_list_by_reciprocal_rank(server: S3VectorsServer, index: dict[str, str]) -> None:
    """Cut at topK, so that what is second in one leg may be missing; scores come where they are asked for."""
    vectors = [("near", [1, 0], "other"), ("word", [0, 1], "leave"), ("both", [1, 0.1], "leave and more words")]
    server.client.put_vectors(
        **index,
        vectors=[{"key": key, "data": {"float32": data}, "metadata": {"text": text}} for key, data, text in vectors],
    )
    texts = [{"text": "leave", "metadataKey": "text"}]
    found = server.client.query_vectors(**index, **asked(topK=2, queryTexts=texts, returnScores=True))
    assert found["vectors"][0]["key"] == "both"
    assert len(found["vectors"]) == 2
    scores = found["vectors"][0]["scores"]
    assert scores["fused"] == pytest.approx(1 / 62 + 1 / 62)
    assert scores["vectorDistance"] == pytest.approx(1 - 1 / 1.01**0.5)
    assert [one["metadataKey"] for one in scores["bm25Scores"]] == ["text"]


def test_a_request_must_be_signed_for_the_service(server: S3VectorsServer) -> None:
    """A client of another service is turned away."""
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{server.url}/ListVectorBuckets", data=b"{}")
    with raised.value as answer:
        assert answer.status == 403
