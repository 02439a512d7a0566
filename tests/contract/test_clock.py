"""The clock contract, over every adapter and over the tests' own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.system_clock import SystemClock
from chalicelib.ports.clock import Clock
from tests.contract.clock_contract import ClockContract
from tests.fakes.clock import HandClock


class TestSystemClock(ClockContract):
    """The machine's time."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Give the machine's clock."""
        return SystemClock()

    def test_now_is_the_time_of_the_machine(self) -> None:
        """It lies between two readings of the system's own clock."""
        before = datetime.now(UTC)
        now = SystemClock().now()

        assert before <= now <= datetime.now(UTC)


class TestHandClock(ClockContract):
    """The tests' clock."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Give a clock that stands still."""
        return HandClock()

    def test_time_passes_only_by_hand(self) -> None:
        """Both kinds of time move together, and only when told."""
        clock = HandClock()
        now, monotonic = clock.now(), clock.monotonic()
        assert (clock.now(), clock.monotonic()) == (now, monotonic)

        clock.advance(1.5)

        assert clock.now() - now == timedelta(seconds=1.5)
        assert clock.monotonic() - monotonic == 1.5
