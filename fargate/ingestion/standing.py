"""Whether a version may still be published: what deletion, cancellation and newer versions leave of the work on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.documents import Document, DocumentStatus, Published, Rejection
from chalicelib.domain.identifiers import AttemptId

DELETED = Rejection("deleted", "The document was deleted before this version was ready.")
CANCELLED = Rejection("cancelled", "Its ingestion was cancelled; retry the job to take it up again.")
SUPERSEDED = Rejection("superseded", "A newer version was ready before this one.")


class Overtaken(Exception):
    """
    Somebody else came first; *why* is None when this very version is published.

    *by* is the attempt that readers see, if any: a retry publishes a version under another attempt than the first one.
    """

    def __init__(self, why: Rejection | None, by: AttemptId | None = None) -> None:
        super().__init__(why.detail if why else "published already")
        self.why = why
        self.by = by


def stands(document: Document, number: int, attempt: AttemptId) -> bool:
    """Say whether *attempt* at version *number* may still be published."""
    published = document.published.version if document.published else 0
    alive = document.status is not DocumentStatus.DELETED
    return alive and published < number and attempt not in document.abandoned


def check_stands(document: Document, number: int, attempt: AttemptId) -> None:
    """Raise `Overtaken` unless *attempt* at version *number* may still be published."""
    if stands(document, number, attempt):
        return
    published = document.published
    by = published.attempt if published else None
    if document.status is DocumentStatus.DELETED:
        raise Overtaken(DELETED, by)
    if published is not None and published.version == number:
        raise Overtaken(None, by)
    raise Overtaken(CANCELLED if attempt in document.abandoned else SUPERSEDED, by)


def processing(document: Document, number: int, attempt: AttemptId) -> Document:
    """Give the document while version *number* is worked on. Raises `Overtaken`."""
    check_stands(document, number, attempt)
    if document.latest_version != number:
        return document  # its status speaks of the latest version
    return replace(document, status=DocumentStatus.PROCESSING, error=None)


def published(document: Document, publication: Published, attempt: AttemptId, at: datetime) -> Document:
    """Give the document with what *attempt* comes to, *publication*, for its readers to see. Raises `Overtaken`."""
    check_stands(document, publication.version, attempt)
    visible = replace(document, published=publication, updated_at=at)
    if document.latest_version != publication.version:
        return visible
    return replace(visible, status=DocumentStatus.READY, error=None)


def failed(document: Document, number: int, attempt: AttemptId, why: Rejection, at: datetime) -> Document:
    """Give the document after *attempt* at version *number* failed; what readers see does not change."""
    if not stands(document, number, attempt) or document.latest_version != number:
        return document
    return replace(document, status=DocumentStatus.FAILED, error=why, updated_at=at)


def cancelled(document: Document, number: int, attempt: AttemptId, at: datetime) -> Document:
    """Give the document after its owner gave up *attempt* at version *number*. Raises `Overtaken`."""
    check_stands(document, number, attempt)
    return _abandoning(failed(document, number, attempt, CANCELLED, at), number, attempt)


def retried(document: Document, number: int, attempt: AttemptId, at: datetime) -> Document:
    """Give the document when another attempt follows on *attempt* at version *number*, its latest."""
    waiting = replace(document, status=DocumentStatus.PENDING, error=None, updated_at=at)
    return _abandoning(waiting, number, attempt)


def _abandoning(document: Document, number: int, attempt: AttemptId) -> Document:
    """Note the attempt; those at versions that are no newer than the published one lead nowhere in any case."""
    published = document.published.version if document.published else 0
    kept = {one: version for one, version in document.abandoned.items() if version > published}
    return replace(document, abandoned=kept | {attempt: number})
