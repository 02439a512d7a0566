"""Circuit breakers: a deployment that keeps failing is left alone for a while, then tried once. Pure; time comes in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.ports.model_providers import FailureKind, ProviderFailure

FAILURES_TO_OPEN = 3
FIRST_REST_S = 5.0
LONGEST_REST_S = 120.0
CREDENTIALS_REST_S = 60.0
RATE_LIMIT_REST_S = 1.0

_COUNTED = frozenset(
    {
        FailureKind.UNAVAILABLE,
        FailureKind.SERVER_ERROR,
        FailureKind.TIMEOUT,
        FailureKind.BAD_ANSWER,
        FailureKind.BROKEN_OFF,
    }
)
_OUT_OF_ORDER = frozenset({FailureKind.CREDENTIALS, FailureKind.QUOTA, FailureKind.UNKNOWN_MODEL})


@dataclass(frozen=True, slots=True)
class Circuit:
    """
    How one deployment did lately, on a monotonic clock in seconds.

    Closed while *failures* are few; open until *rests_until*; from then on half open, which lets one probe through.
    *rest_s* is 0 for one that was never opened. *limited* says that it rests for a limit, and is not out of order.
    """

    failures: int = 0
    rests_until: float = 0.0
    rest_s: float = 0.0
    probing: bool = False
    limited: bool = False

    def admits(self, now: float) -> bool:
        """Say whether a call may be made."""
        return now >= self.rests_until and not self.probing

    def tried(self) -> Circuit:
        """Give the circuit after a call began; of one that was open, it is the probe."""
        return replace(self, probing=True) if self.rest_s else self

    def left(self) -> Circuit:
        """Give the circuit after a call that says nothing about the deployment, such as a cancelled one."""
        return replace(self, probing=False)

    def succeeded(self) -> Circuit:
        """Give the circuit after an answer."""
        return Circuit()

    def failed(self, failure: ProviderFailure, now: float) -> Circuit:
        """Give the circuit after *failure*: what the request itself is to blame for does not count."""
        if failure.kind is FailureKind.RATE_LIMITED:
            # It works, only not for us and not now: nothing needs to be probed afterwards.
            rest_s = min(failure.retry_after_s or RATE_LIMIT_REST_S, LONGEST_REST_S)
            return replace(self, rests_until=max(now + rest_s, self.rests_until), probing=False, limited=True)
        if failure.kind in _OUT_OF_ORDER:
            return self._resting(now, CREDENTIALS_REST_S)
        if failure.kind not in _COUNTED:
            return self.left()
        if self.failures + 1 < FAILURES_TO_OPEN and not self.probing:
            return replace(self, failures=self.failures + 1)
        rest_s = min(2 * self.rest_s, LONGEST_REST_S) if self.probing else FIRST_REST_S
        return self._resting(now, rest_s)

    def _resting(self, now: float, rest_s: float) -> Circuit:
        return Circuit(self.failures + 1, max(now + rest_s, self.rests_until), rest_s)


class Circuits:
    """The circuits of this task's deployments, by their models' names."""

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}

    def of(self, model: str) -> Circuit:
        """Give the circuit of a deployment."""
        return self._circuits.get(model, _CLOSED)

    def set(self, model: str, circuit: Circuit) -> None:
        """Keep what became of it."""
        if circuit == _CLOSED:
            self._circuits.pop(model, None)
        else:
            self._circuits[model] = circuit


_CLOSED = Circuit()
