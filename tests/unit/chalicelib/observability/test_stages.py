"""The stages of one request and their times."""

from __future__ import annotations

import pytest

from chalicelib.observability.stages import Stages
from tests.fakes.clock import HandClock


def test_a_stage_entered_again_adds_up_and_the_total_counts_from_the_start() -> None:
    """In milliseconds, with what passed between the stages in the total only."""
    clock = HandClock()
    stages = Stages("retrieval", clock.monotonic)
    for seconds in (0.25, 0.5):
        with stages.stage("search", index="handbook"):
            clock.advance(seconds)
        clock.advance(0.125)
    assert stages.timings_ms() == {"search": 750.0, "total": 1_000.0}


def test_a_stage_that_fails_is_timed_and_the_error_goes_on() -> None:
    """So that a slow failure can be seen for what it is."""
    clock = HandClock()
    stages = Stages("retrieval", clock.monotonic)

    def fail() -> None:
        with stages.stage("embed"):
            clock.advance(0.5)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert stages.timings_ms()["embed"] == 500.0
