"""When a schedule is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.domain.schedules import next_time


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("0 3 * * *", "UTC", "2026-11-23T10:00", "2026-11-24T03:00"),
        ("0 3 * * *", "UTC", "2026-11-23T03:00", "2026-11-24T03:00"),
        ("*/15 * * * *", "UTC", "2026-11-23T10:07", "2026-11-23T10:15"),
        ("30 2 * * 1-5", "Europe/Berlin", "2026-11-20T12:00", "2026-11-23T01:30"),
        ("0 9 * * *", "America/New_York", "2026-07-01T00:00", "2026-07-01T13:00"),
        ("0 0 31 * *", "UTC", "2026-11-01T00:00", "2026-12-31T00:00"),
        ("0 0 29 2 *", "UTC", "2026-03-01T00:00", "2028-02-29T00:00"),
        # In Berlin the clock goes from 2 to 3 on 29 March 2026, and from 3 to 2 on 25 October.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T02:00", "2026-03-30T00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_the_next_time_is_that_of_the_place(cron: str, zone: str, after: str, due: str) -> None:
    """Days of the week and of the month, leap years, and clocks that change."""
    assert next_time(cron, zone, at(after)) == at(due)


@pytest.mark.parametrize(
    ("cron", "zone", "says"),
    [
        ("61 * * * *", "UTC", "minute"),
        ("* * * *", "UTC", "five fields"),
        ("nightly", "UTC", "five fields"),
        ("@daily", "UTC", "five fields"),
        ("0 0 30 2 *", "UTC", "day-of-month"),
        ("0 3 * * *", "Mars/Olympus", "time zone"),
        ("0 3 * * *", "../etc/passwd", "time zone"),
        ("0 3 * * *", "Europe", "time zone"),
        ("0 3 * * *", "", "time zone"),
    ],
)
def test_what_names_no_time_is_refused(cron: str, zone: str, says: str) -> None:
    """With what is wrong, and what to write."""
    with pytest.raises(ValueError, match=says):
        next_time(cron, zone, at("2026-11-23T10:00"))
