"""What a provider's refusal means: by its status and its codes, which are read and never passed on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from chalicelib.ports.model_providers import FailureKind, ProviderFailure

MAX_RETRY_AFTER_S = 3_600.0

_BY_STATUS = {
    401: FailureKind.CREDENTIALS,
    402: FailureKind.QUOTA,
    403: FailureKind.CREDENTIALS,
    404: FailureKind.UNKNOWN_MODEL,
    408: FailureKind.UNAVAILABLE,
    409: FailureKind.UNAVAILABLE,
    425: FailureKind.UNAVAILABLE,
    429: FailureKind.RATE_LIMITED,
    503: FailureKind.UNAVAILABLE,
    504: FailureKind.UNAVAILABLE,
    529: FailureKind.UNAVAILABLE,
}
_BY_CODE = {
    "content_filter": FailureKind.CONTENT_POLICY,
    "content_policy_violation": FailureKind.CONTENT_POLICY,
    "context_length_exceeded": FailureKind.CONTEXT_LENGTH,
    "insufficient_quota": FailureKind.QUOTA,
    "invalid_api_key": FailureKind.CREDENTIALS,
    "model_not_found": FailureKind.UNKNOWN_MODEL,
}


def failure_of(status: int, body: Mapping[str, Any], retry_after: str | None) -> ProviderFailure:
    """Give the failure that an answer of *status* is; *retry_after* is that header, seconds or a date."""
    error = body.get("error")
    codes = [str(error.get(name)) for name in ("code", "type")] if isinstance(error, Mapping) else []
    kind = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None) or _kind(status)
    return ProviderFailure(kind, upstream_status=status, retry_after_s=seconds(retry_after))


def seconds(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Give the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), None for nonsense."""
    if retry_after is None:
        return None
    try:
        wait_s = float(retry_after)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(retry_after) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(wait_s) else None


def _kind(status: int) -> FailureKind:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return FailureKind.INVALID_REQUEST
    return FailureKind.SERVER_ERROR if status >= 500 else FailureKind.BAD_ANSWER
