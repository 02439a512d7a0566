"""What every `Clock` must do; a new adapter is a subclass with a fixture."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.ports.clock import Clock


class ClockContract:
    """Subclass, and give the fixture `clock`."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Give a clock."""
        raise NotImplementedError

    def test_now_is_in_utc_and_says_so(self, clock: Clock) -> None:
        """Times carry their zone, which is UTC."""
        assert clock.now().utcoffset() == timedelta(0)

    def test_monotonic_never_runs_backwards(self, clock: Clock) -> None:
        """Each reading is at least the one before."""
        readings = [clock.monotonic() for _ in range(100)]

        assert readings == sorted(readings)
