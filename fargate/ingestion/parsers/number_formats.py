"""How a number reads under the format that a spreadsheet gives it: as a date, a time, a share, or plainly."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum

_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_HALF_DAYS = re.compile(r"AM/PM|A/P", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"E[+-]", re.IGNORECASE)
_DAY_S = 86_400
_LAST_DAY = 2_958_465  # 9999-12-31
_LEAP_DAY = 60  # 1900-02-29, which there never was, but which serial numbers count (ECMA-376, part 1, 18.17.4.1)
_DIGITS = 15
_LONG = 40


class NumberFormat(Enum):
    """What a number under a format stands for."""

    PLAIN = "plain"
    PERCENT = "percent"
    DATE = "date"
    TIME = "time"
    DATE_TIME = "date_time"
    DURATION = "duration"


# Formats that files name by number only (ECMA-376, part 1, 18.8.30), the East Asian ones included.
BUILT_IN = (
    dict.fromkeys((9, 10), NumberFormat.PERCENT)
    | dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 55), 57, 58), NumberFormat.DATE)
    | dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56), NumberFormat.TIME)
    | {22: NumberFormat.DATE_TIME, 46: NumberFormat.DURATION}
)


def kind_of(code: str) -> NumberFormat:
    """Tell from a format's *code*, such as ``yyyy-mm-dd`` or ``0.0%``, what its numbers stand for."""
    shown = _NOT_SHOWN.sub("", code).partition(";")[0]
    if shown.strip().lower() in ("general", "@", ""):
        return NumberFormat.PLAIN
    if _ELAPSED.search(shown):
        return NumberFormat.DURATION
    letters = set(_HALF_DAYS.sub("h", _SCIENTIFIC.sub("", shown)).lower())
    clock = bool(letters & {"h", "s"})
    calendar = bool(letters & {"y", "d"}) or ("m" in letters and not clock)
    if clock or calendar:
        return {(True, True): NumberFormat.DATE_TIME, (False, True): NumberFormat.DATE}.get(
            (clock, calendar), NumberFormat.TIME
        )
    return NumberFormat.PERCENT if "%" in shown else NumberFormat.PLAIN


def written(value: float, kind: NumberFormat, *, from_1904: bool = False) -> str:
    """Write a cell's number: dates as ISO 8601 has them, whole numbers without a point, 15 digits at most."""
    if kind is NumberFormat.PLAIN or value != value:
        return plain(value)
    if kind is NumberFormat.PERCENT:
        return plain(round(value * 100, 4)) + "%"
    days = value + 1_462 if from_1904 and kind in (NumberFormat.DATE, NumberFormat.DATE_TIME) else value
    if not 0 <= days <= _LAST_DAY:
        return plain(value)
    if kind is NumberFormat.DURATION:
        return said(timedelta(seconds=round(value * _DAY_S)))
    return _moment(days, kind)


def plain(value: float) -> str:
    """Write a number as its owner would."""
    text = f"{value:.{_DIGITS}g}"
    if "e" in text:
        full = f"{Decimal(text):f}"
        return full if len(full) < _LONG else text
    return "0" if text == "-0" else text


def said(value: str | bool | int | float | date | time | datetime | timedelta | None) -> str:
    """Write a value that a library has understood already."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return plain(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else f"{value.date()} {_clock(value.time())}"
    if isinstance(value, time):
        return _clock(value)
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return "" if value is None else str(value)


def _moment(days: float, kind: NumberFormat) -> str:
    seconds = round(days * _DAY_S)
    whole, rest = divmod(seconds, _DAY_S)
    clock = _clock(time(rest // 3600, rest // 60 % 60, rest % 60))
    if kind is NumberFormat.TIME or whole == 0:
        return clock
    day = (date(1899, 12, 31 if whole < _LEAP_DAY else 30) + timedelta(days=whole)).isoformat()
    return f"{day} {clock}" if kind is NumberFormat.DATE_TIME and rest else day


def _clock(moment: time) -> str:
    return moment.isoformat("seconds" if moment.second else "minutes")
