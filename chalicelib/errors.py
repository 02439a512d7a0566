"""
The errors of the platform; each is raised where it happens and mapped to problem+json in two places only.

    RagError
    ├── RequestError            the caller can mend it (4xx)
    │   ├── InvalidRequest      400  malformed, unknown field, out of bounds
    │   ├── Unauthenticated     401  no credential, or a wrong, expired or revoked one
    │   ├── BudgetExceeded      402  says which budget, and when it begins anew
    │   ├── Forbidden           403  the role does not allow it
    │   ├── NotFound            404  missing, or not the caller's: the two answer alike
    │   ├── Conflict            409  it exists already, or changed meanwhile
    │   ├── PayloadTooLarge     413
    │   ├── UnsupportedMedia    415
    │   ├── IdempotencyMismatch 422  the same key with another request
    │   └── RateLimited         429  carries retry_after_s
    ├── DependencyError         something behind us failed (5xx, retryable)
    │   ├── Unavailable         503  a store, a queue or a model does not answer
    │   ├── BadUpstream         502  it answered, but not sensibly
    │   ├── DeadlineExceeded    504
    │   └── StorageFull         507  no space left: nothing was stored
    ├── DocumentRejected        an outcome stored on the document, never a fault of the service
    ├── ConfigurationError      at start-up; names the variable; exit status 2
    └── ConditionFailed         a conditional write lost; repositories turn it into Conflict or a retry
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

PROBLEM_TYPE = "urn:ragstone:problem:"


class RagError(Exception):
    """The root; *detail* says what was wrong, with which value, and what to do about it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra

    def problem(self, trace_id: str | None = None) -> dict[str, Any]:
        """Give the RFC 9457 problem object."""
        body: dict[str, Any] = {
            "type": PROBLEM_TYPE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "trace_id": trace_id,
        }
        if self.status >= 500:
            body["retryable"] = self.retryable
        return body | self.extra


class RequestError(RagError):
    """The caller can mend it."""

    status = 400
    code = "invalid_request"
    title = "Invalid request"


class InvalidRequest(RequestError):
    """Malformed, unknown field, or out of bounds; ``errors`` lists the places."""

    def __init__(self, detail: str, errors: Sequence[Mapping[str, Any]] = (), **extra: Any) -> None:
        super().__init__(detail, **({"errors": [dict(error) for error in errors]} if errors else {}), **extra)


class Unauthenticated(RequestError):
    """No credential, or one that is wrong, expired or revoked."""

    status, code, title = 401, "unauthenticated", "Authentication needed"


class BudgetExceeded(RequestError):
    """
    A call could cost more than a budget has left; ``budget`` and ``resets_at`` say which, and when it begins anew.

    Not 429, which clients of model APIs repeat by themselves, for as long as the period lasts.
    """

    status, code, title = 402, "budget_exceeded", "Budget exceeded"


class Forbidden(RequestError):
    """The caller is known, but its role does not allow this."""

    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(RequestError):
    """Missing, or another tenant's, or not permitted: the three are told apart by nobody outside."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(RequestError):
    """It exists already, or it changed between reading and writing."""

    status, code, title = 409, "conflict", "Conflict"


class PayloadTooLarge(RequestError):
    """The body or file is over its limit."""

    status, code, title = 413, "payload_too_large", "Too large"


class UnsupportedMedia(RequestError):
    """The body's media type is not one this operation takes."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class IdempotencyMismatch(RequestError):
    """An idempotency key was used before, with a different request."""

    status, code, title = 422, "idempotency_mismatch", "Idempotency key reused"


class RateLimited(RequestError):
    """Too many requests; try again after ``retry_after_s``."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: float, **extra: Any) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, **extra)
        self.retry_after_s = retry_after_s


class DependencyError(RagError):
    """Something behind us failed; the same request may succeed later."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
    retryable = True


class Unavailable(DependencyError):
    """A store, a queue or a model does not answer."""


class Misconfigured(DependencyError):
    """A store or a queue cannot be used as the platform is configured: it takes a person."""

    code, title = "misconfigured", "Not configured properly"
    retryable = False


class BadUpstream(DependencyError):
    """A dependency answered, but not sensibly."""

    status, code, title = 502, "bad_upstream", "Bad answer from a dependency"


class DeadlineExceeded(DependencyError):
    """It took longer than the caller can wait."""

    status, code, title = 504, "deadline_exceeded", "Took too long"


class StorageFull(DependencyError):
    """No space is left; nothing of this request was stored."""

    status, code, title = 507, "storage_full", "Storage is full"


class DocumentRejected(RagError):
    """
    A document cannot be used, for a reason its owner understands.

    *reason* is a stable code (`encrypted`, `empty`, `unreadable`, …); it is stored on the document.
    """

    code = "document_rejected"
    title = "Document rejected"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class ConfigurationError(RagError):
    """The platform cannot start as it is configured; *variable* names what to change."""

    code = "configuration"
    title = "Configuration error"

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(f"{variable}: {detail}")
        self.variable = variable


class ConditionFailed(RagError):
    """A conditional write found something else than it expected; *operation* is its place in the list."""

    status, code, title = 409, "condition_failed", "Condition failed"

    def __init__(self, detail: str, operation: int = 0) -> None:
        super().__init__(detail)
        self.operation = operation


def from_problem(problem: Mapping[str, Any], status: int) -> RagError:
    """Rebuild the error a service raised from the problem it answered; an unknown code goes by *status*."""
    code = str(problem.get("code", ""))
    detail = str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if known is None:
        known = BadUpstream if status >= 500 else RequestError
    # `error` repeats them for clients of OpenAI's API.
    standard = {"type", "title", "status", "detail", "code", "trace_id", "retryable", "error"}
    extra = {name: value for name, value in problem.items() if name not in standard}
    if issubclass(known, RateLimited):
        extra["retry_after_s"] = float(extra.get("retry_after_s", 1.0))
    return known(detail, **extra)


RESPONSES: tuple[type[RagError], ...] = (
    InvalidRequest,
    Unauthenticated,
    BudgetExceeded,
    Forbidden,
    NotFound,
    Conflict,
    PayloadTooLarge,
    UnsupportedMedia,
    IdempotencyMismatch,
    RateLimited,
    Unavailable,
    BadUpstream,
    DeadlineExceeded,
    StorageFull,
)
_BY_CODE = {error.code: error for error in RESPONSES}
_BY_STATUS = {error.status: error for error in RESPONSES}
