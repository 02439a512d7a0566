"""What callers are told when no deployment answered."""

from __future__ import annotations

from chalicelib.errors import BadUpstream, DeadlineExceeded, InvalidRequest, RagError, RateLimited, Unavailable
from chalicelib.ports.model_providers import FailureKind, ProviderFailure

DEFAULT_RETRY_AFTER_S = 1.0

_REFUSALS = {
    FailureKind.INVALID_REQUEST: "did not take the request; check its parameters against what the model supports",
    FailureKind.CONTENT_POLICY: "refused the request by its content policy; it would refuse it again",
    FailureKind.CONTEXT_LENGTH: "has not room for so long a conversation; send less of it, or choose another route",
}
_MISCONFIGURED = {
    FailureKind.CREDENTIALS: "refused the platform's key; an administrator must replace it",
    FailureKind.QUOTA: "has no credit left for the platform; an administrator must see to it",
    FailureKind.UNKNOWN_MODEL: "does not know the deployment's model; correct the route",
}


def error_of(failure: ProviderFailure, route: str) -> RagError:
    """Give the error that says *failure* to whoever called *route*, in our words only."""
    reason = failure.kind.value
    subject = f"The provider behind route {route!r}"
    if failure.kind in _REFUSALS:
        return InvalidRequest(f"{subject} {_REFUSALS[failure.kind]}.", reason=reason)
    if failure.kind in _MISCONFIGURED:
        return BadUpstream(f"{subject} {_MISCONFIGURED[failure.kind]}.", reason=reason)
    match failure.kind:
        case FailureKind.RATE_LIMITED:
            after_s = failure.retry_after_s or DEFAULT_RETRY_AFTER_S
            return RateLimited(f"{subject} is at its limit; try again later.", retry_after_s=after_s, reason=reason)
        case FailureKind.TIMEOUT:
            return DeadlineExceeded(f"{subject} did not answer within the route's deadline.", reason=reason)
        case FailureKind.UNAVAILABLE:
            return Unavailable(f"{subject} does not answer; try again.", reason=reason)
        case FailureKind.BROKEN_OFF:
            return BadUpstream(f"{subject} broke the answer off; ask again.", reason=reason)
        case _:
            return BadUpstream(f"{subject} failed to answer; try again.", reason=reason)
