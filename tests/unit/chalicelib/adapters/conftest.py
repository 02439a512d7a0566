"""Fixtures of the adapters' tests."""

from __future__ import annotations

import pytest

from tests.fakes.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    """Give a clock that stands still."""
    return HandClock()
