"""When a deployment is left alone, and when it is tried again."""

from __future__ import annotations

import pytest

from chalicelib.ports.model_providers import FailureKind, ProviderFailure
from fargate.gateway.circuits import FAILURES_TO_OPEN, FIRST_REST_S, LONGEST_REST_S, Circuit

SERVER_ERROR = ProviderFailure(FailureKind.SERVER_ERROR)


def opened(now: float = 0.0) -> Circuit:
    circuit = Circuit()
    for _ in range(FAILURES_TO_OPEN):
        assert circuit.admits(now)
        circuit = circuit.failed(SERVER_ERROR, now)
    return circuit


def test_it_opens_after_failures_in_a_row() -> None:
    """An answer in between begins the count anew."""
    circuit = opened()
    assert not circuit.admits(FIRST_REST_S - 0.1)
    assert circuit.admits(FIRST_REST_S)
    interrupted = Circuit().failed(SERVER_ERROR, 0).failed(SERVER_ERROR, 0).succeeded().failed(SERVER_ERROR, 0)
    assert interrupted.admits(0)


def test_one_probe_at_a_time_decides() -> None:
    """Whose success closes the circuit, and whose failure opens it for twice as long."""
    probing = opened().tried()
    assert not probing.admits(FIRST_REST_S)
    assert probing.succeeded().admits(FIRST_REST_S)
    again = probing.failed(SERVER_ERROR, FIRST_REST_S)
    assert not again.admits(FIRST_REST_S + 2 * FIRST_REST_S - 0.1)
    assert again.admits(FIRST_REST_S + 2 * FIRST_REST_S)


def test_a_probe_that_was_left_lets_another_through() -> None:
    """It says nothing about the deployment."""
    assert opened().tried().left().admits(FIRST_REST_S)


def test_rests_do_not_grow_for_ever() -> None:
    """A deployment that is back is found within two minutes."""
    circuit, now = opened(), 0.0
    for _ in range(10):
        now = circuit.rests_until
        circuit = circuit.tried().failed(SERVER_ERROR, now)
    assert circuit.rests_until - now == LONGEST_REST_S


@pytest.mark.parametrize("kind", [FailureKind.INVALID_REQUEST, FailureKind.CONTENT_POLICY, FailureKind.CONTEXT_LENGTH])
def test_refused_requests_do_not_count(kind: FailureKind) -> None:
    """Or one user's mistakes would close the deployment to all."""
    circuit = Circuit()
    for _ in range(10):
        circuit = circuit.failed(ProviderFailure(kind), 0)
    assert circuit == Circuit()


def test_a_limit_is_waited_out_without_a_probe() -> None:
    """It works, only not for the moment, so that all may come back at once."""
    circuit = Circuit().failed(ProviderFailure(FailureKind.RATE_LIMITED, retry_after_s=7), 0)
    assert (circuit.admits(6.9), circuit.admits(7)) == (False, True)
    assert circuit.tried().admits(7)


@pytest.mark.parametrize("kind", [FailureKind.CREDENTIALS, FailureKind.QUOTA, FailureKind.UNKNOWN_MODEL])
def test_what_only_a_person_can_mend_opens_it_at_once(kind: FailureKind) -> None:
    """And one call a minute finds out whether it was mended."""
    circuit = Circuit().failed(ProviderFailure(kind), 0)
    assert (circuit.admits(59), circuit.admits(60), circuit.tried().admits(60)) == (False, True, False)
