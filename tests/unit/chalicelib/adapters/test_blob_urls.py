"""Presigned URLs of the platform itself."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.blob_urls import BlobUrls
from chalicelib.errors import Forbidden
from chalicelib.ports.blobs import BlobKey, Bucket, Presigned, UploadTerms
from tests.fakes.clock import HandClock

KEY = BlobKey(Bucket.RAW, "ten_1/ä b?&#%.txt")
TERMS = UploadTerms(5, "text/plain; charset=utf-8", "ab" * 32)


@pytest.fixture
def urls(clock: HandClock) -> BlobUrls:
    """Give a maker of URLs without a host."""
    return BlobUrls(b"key", clock, "")


def taken_apart(presigned: Presigned) -> tuple[str, dict[str, str]]:
    """Give the path and parameters as a server sees them."""
    url = urlsplit(presigned.url)
    return unquote(url.path), dict(parse_qsl(url.query, keep_blank_values=True))


def test_an_upload_url_gives_back_its_terms(urls: BlobUrls) -> None:
    """What was signed is what is read, whatever characters it has."""
    presigned = urls.upload(KEY, TERMS, 60)

    assert presigned.url.startswith("/local-blobs/raw/ten_1/")
    assert presigned.method == "PUT"
    assert presigned.headers == {"Content-Type": "text/plain; charset=utf-8"}
    assert urls.verify_upload(*taken_apart(presigned)) == (KEY, TERMS)


def test_terms_without_a_checksum_have_none(urls: BlobUrls) -> None:
    """The checksum is optional."""
    terms = UploadTerms(0)

    assert urls.verify_upload(*taken_apart(urls.upload(KEY, terms, 60))) == (KEY, terms)


def test_a_download_url_gives_back_its_name(urls: BlobUrls) -> None:
    """The attachment's name survives."""
    presigned = urls.download(KEY, 'a "b" ü.txt', 60)

    assert presigned.method == "GET"
    assert urls.verify_download(*taken_apart(presigned)) == (KEY, 'a "b" ü.txt')


def test_a_base_url_comes_first(clock: HandClock) -> None:
    """With a base the URL is absolute; a slash too many does no harm."""
    presigned = BlobUrls(b"key", clock, "http://127.0.0.1:8080/").upload(KEY, TERMS, 60)

    assert presigned.url.startswith("http://127.0.0.1:8080/local-blobs/raw/")


def test_an_expired_url_says_so(urls: BlobUrls, clock: HandClock) -> None:
    """It works to its last second, and then the message names when it ended."""
    upload, download = urls.upload(KEY, TERMS, 60), urls.download(KEY, "x", 60)
    clock.advance(60)
    urls.verify_upload(*taken_apart(upload))
    urls.verify_download(*taken_apart(download))

    clock.advance(1)

    with pytest.raises(Forbidden, match="expired at 2026-03-01 12:01:00 UTC"):
        urls.verify_upload(*taken_apart(upload))
    with pytest.raises(Forbidden, match="expired at 2026-03-01 12:01:00 UTC"):
        urls.verify_download(*taken_apart(download))


@pytest.mark.parametrize(
    "change",
    [
        {"size": "6"},
        {"type": "text/html"},
        {"sha256": "cd" * 32},
        {"expires": "9999999999"},
        {"signature": "00"},
        {"signature": "é\ud800"},
        {"signature": ""},
        {"more": "1"},
    ],
    ids=repr,
)
def test_a_changed_parameter_is_a_forgery(urls: BlobUrls, change: dict[str, str]) -> None:
    """Everything that a URL says is signed, and nothing can be added."""
    path, parameters = taken_apart(urls.upload(KEY, TERMS, 60))

    with pytest.raises(Forbidden, match="not signed"):
        urls.verify_upload(path, parameters | change)


def test_a_missing_parameter_is_a_forgery(urls: BlobUrls) -> None:
    """Nothing can be left out."""
    path, parameters = taken_apart(urls.upload(KEY, TERMS, 60))

    for name in parameters:
        with pytest.raises(Forbidden, match="not signed"):
            urls.verify_upload(path, {other: value for other, value in parameters.items() if other != name})


@pytest.mark.parametrize("path", ["/local-blobs/raw/other", "/local-blobs/chunks/ten_1/ä b?&#%.txt", "/", "", "raw/x"])
def test_another_path_is_a_forgery(urls: BlobUrls, path: str) -> None:
    """A URL is for one blob of one bucket."""
    _, parameters = taken_apart(urls.upload(KEY, TERMS, 60))

    with pytest.raises(Forbidden, match="not signed"):
        urls.verify_upload(path, parameters)


def test_a_url_does_one_thing(urls: BlobUrls) -> None:
    """A download URL stores nothing, and an upload URL reads nothing."""
    with pytest.raises(Forbidden):
        urls.verify_upload(*taken_apart(urls.download(KEY, "x", 60)))
    with pytest.raises(Forbidden):
        urls.verify_download(*taken_apart(urls.upload(KEY, TERMS, 60)))


def test_a_url_of_another_key_is_a_forgery(urls: BlobUrls, clock: HandClock) -> None:
    """Only the platform that signed it takes it."""
    with pytest.raises(Forbidden, match="not signed"):
        urls.verify_upload(*taken_apart(BlobUrls(b"other key", clock, "").upload(KEY, TERMS, 60)))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(path=st.text(max_size=30), parameters=st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=5))
def test_nothing_made_up_is_taken(path: str, parameters: dict[str, str]) -> None:
    """Whatever somebody sends, the answer is a refusal and never a fault."""
    with pytest.raises(Forbidden):
        BlobUrls(b"key", HandClock(), "").verify_upload(path, parameters)
