"""Whether a version may still be published: what deletions and newer versions leave of the work on an older one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.documents import Document, DocumentStatus, Published, Rejection

DELETED = Rejection("deleted", "The document was deleted before this version was ready.")


class Overtaken(Exception):
    """Somebody else came first; *why* is None when it was another delivery of this very version."""

    def __init__(self, why: Rejection | None) -> None:
        super().__init__(why.detail if why else "published already")
        self.why = why


def stands(document: Document, number: int) -> bool:
    """Say whether version *number* may still be published."""
    published = document.published.version if document.published else 0
    return document.status is not DocumentStatus.DELETED and published < number


def check_stands(document: Document, number: int) -> None:
    """Raise `Overtaken` unless version *number* may still be published."""
    if document.status is DocumentStatus.DELETED:
        raise Overtaken(DELETED)
    if document.published is not None and document.published.version == number:
        raise Overtaken(None)
    if not stands(document, number):
        raise Overtaken(Rejection("superseded", "A newer version was ready before this one."))


def processing(document: Document, number: int) -> Document:
    """Give the document while version *number* is worked on. Raises `Overtaken`."""
    check_stands(document, number)
    if document.latest_version != number:
        return document  # its status speaks of the latest version
    return replace(document, status=DocumentStatus.PROCESSING, error=None)


def published(document: Document, publication: Published, at: datetime) -> Document:
    """Give the document with *publication* for its readers to see. Raises `Overtaken`."""
    check_stands(document, publication.version)
    visible = replace(document, published=publication, updated_at=at)
    if document.latest_version != publication.version:
        return visible
    return replace(visible, status=DocumentStatus.READY, error=None)


def failed(document: Document, number: int, why: Rejection, at: datetime) -> Document:
    """Give the document after version *number* failed; what readers see does not change."""
    if not stands(document, number) or document.latest_version != number:
        return document
    return replace(document, status=DocumentStatus.FAILED, error=why, updated_at=at)
