"""What Amazon S3 Vectors holds its callers to beyond its service model, each rule with the page that says so."""

from __future__ import annotations

from dataclasses import dataclass

_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide"
_API = "https://docs.aws.amazon.com/AmazonS3/latest/API"
_LIMITS = f"{_GUIDE}/s3-vectors-limitations.html"

KIB = 1024


@dataclass(frozen=True)
class Rule:
    """A *limit*, what happens beyond it, and the *page* of AWS that says so."""

    limit: int
    beyond: str
    page: str


METADATA_BYTES = Rule(40 * KIB, "the metadata of a vector is at most 40 KB", _LIMITS)
FILTERABLE_BYTES = Rule(2 * KIB, "the filterable metadata of a vector is at most 2 KB", _LIMITS)
METADATA_KEYS = Rule(50, "a vector has at most 50 metadata keys", _LIMITS)
PAYLOAD_BYTES = Rule(20 * KIB * KIB, "the payload of a request is at most 20 MiB", _LIMITS)
INDEXES_PER_BUCKET = Rule(10_000, "a vector bucket has at most 10,000 indexes", _LIMITS)
WRITES_PER_SECOND = Rule(1_000, "at most 1,000 PutVectors and DeleteVectors a second per index", _LIMITS)
VECTORS_PER_SECOND = Rule(2_500, "at most 2,500 vectors inserted and deleted a second per index", _LIMITS)
TOP_K = Rule(10_000, "topK is at most 10,000", f"{_API}/API_S3VectorBuckets_QueryVectors.html")
QUERY_PAGE = Rule(100, "a page of results holds at most 100", _LIMITS)
LIST_PAGE_BYTES = Rule(KIB * KIB, "a page ends after 1 MB", f"{_API}/API_S3VectorBuckets_ListVectors.html")
LIST_PAGE_DEFAULT = Rule(500, "a page holds 500 unless asked", f"{_API}/API_S3VectorBuckets_ListVectors.html")
FILTER_CONSTRAINTS = Rule(
    100, "a filter on an ENHANCED index has at most 100 constraints", f"{_GUIDE}/s3-vectors-index-mode.html"
)
TAGS = Rule(50, "a resource has at most 50 tags", f"{_API}/API_S3VectorBuckets_TagResource.html")

WORDS = {
    "zero vector": Rule(0, "a zero vector has no cosine distance", f"{_API}/API_S3VectorBuckets_PutInputVector.html"),
    "not finite": Rule(0, "vector data must be finite", f"{_API}/API_S3VectorBuckets_PutInputVector.html"),
    "text needs ENHANCED": Rule(
        0, "full-text search needs an index in ENHANCED mode", f"{_API}/API_S3VectorBuckets_QueryVectors.html"
    ),
    "startsWith needs ENHANCED": Rule(
        0, "$startsWith needs an index in ENHANCED mode", f"{_GUIDE}/s3-vectors-index-mode.html"
    ),
    "non-filterable": Rule(
        0, "a non-filterable key cannot be filtered on", f"{_GUIDE}/s3-vectors-metadata-filtering.html"
    ),
}
"""Rules without a number."""

NEEDS_GET_VECTORS = "s3vectors:GetVectors is needed for text queries, filters and metadata"
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_S3VectorBuckets_QueryVectors.html, Permissions."""

NAME_PATTERN = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""Of buckets and indexes, as in the ARNs of the service model, which has no pattern for the names alone."""

RRF_CONSTANT = 60
"""Of reciprocal rank fusion. AWS does not publish its own; that of the paper."""
