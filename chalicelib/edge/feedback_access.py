"""Who may say what about an answer from a page, and who may read what was said."""

from __future__ import annotations

import re

from chalice.app import Request

from chalicelib.domain.access import Principal, may_use_index
from chalicelib.domain.feedback import Feedback, FeedbackScope
from chalicelib.domain.identifiers import FeedbackId
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.reach import readable_among
from chalicelib.errors import Forbidden, Unauthenticated
from chalicelib.repositories.feedback import missing

ANY_ORIGIN = "*"

_BEARER = re.compile(r"Bearer +(?P<token>[!-~]{1,8192}) *", re.IGNORECASE)


def feedback_scope(edge: Edge, request: Request) -> FeedbackScope:
    """
    Give what the request's feedback token opens. Raises `Unauthenticated`, and `Forbidden` for pages of other origins.

    Browsers say truly which page sends a request; whoever says nothing is no page.
    """
    match = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise Unauthenticated("Send the feedback_token of an answer: 'Authorization: Bearer …'.")
    scope = edge.feedback_tokens.read(match["token"])
    origin = request.headers.get("origin", "")
    if not origin or not {origin, ANY_ORIGIN} & set(scope.origins):
        raise Forbidden("This page's origin is not among those that may send feedback; PATCH /v1/tenants lists it.")
    return scope


def reachable(edge: Edge, principal: Principal, feedback_id: str) -> Feedback:
    """Give feedback on an index that *principal* reaches. Raises `NotFound`."""
    found = edge.feedback.get(principal.tenant, FeedbackId(feedback_id))
    if not may_use_index(principal, found.index):
        raise missing(found.feedback_id)
    return found


def withheld_among(edge: Edge, principal: Principal, found: list[Feedback]) -> set[FeedbackId]:
    """
    Give those whose texts *principal* may not read.

    A comment may repeat all that its writer saw; so it is for those who may read every document of the run.
    """
    readable = readable_among(edge, principal, {document for one in found for document in one.documents})
    return {one.feedback_id for one in found if not readable.keys() >= set(one.documents)}
