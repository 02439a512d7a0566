"""Metrics as CloudWatch's embedded metric format: log lines that CloudWatch reads numbers from."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TextIO

MAX_VALUES = 100
MAX_METRICS = 100
MAX_DIMENSIONS = 30
MAX_DIMENSION_CHARACTERS = 1_024


class Unit(StrEnum):
    """CloudWatch's names of the units we use."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"


@dataclass(slots=True)
class _Series:
    unit: Unit
    values: list[float] = field(default_factory=list)


_Dimensions = tuple[tuple[str, str], ...]


class Metrics:
    """
    Gathers values and writes them to *stream* at `flush`: one line for each set of dimensions.

    Without a *stream* nothing is gathered. Every distinct set of dimension values is a metric of its own on AWS and
    is paid for: routes and outcomes make good dimensions, ids do not. Safe from any thread.
    """

    def __init__(self, namespace: str, stream: TextIO | None, now: Callable[[], float] = time.time) -> None:
        self._namespace = namespace
        self._stream = stream
        self._now = now
        self._lock = threading.Lock()
        self._gathered: dict[_Dimensions, dict[str, _Series]] = {}

    def count(self, name: str, number: float = 1, **dimensions: str) -> None:
        """Add *number* to the sum of *name*."""
        self._gather(name, Unit.COUNT, number, dimensions)

    def time_ms(self, name: str, duration_ms: float, **dimensions: str) -> None:
        """Add a duration; CloudWatch keeps each, so that percentiles are exact."""
        self._gather(name, Unit.MILLISECONDS, duration_ms, dimensions)

    def flush(self) -> None:
        """Write what was gathered since the last time."""
        with self._lock:
            if self._stream is None or not self._gathered:
                return
            lines = [json.dumps(self._line(*each)) + "\n" for each in self._gathered.items()]
            self._gathered = {}
            self._stream.write("".join(lines))
            self._stream.flush()

    def _gather(self, name: str, unit: Unit, value: float, dimensions: dict[str, str]) -> None:
        if self._stream is None:
            return
        if len(dimensions) > MAX_DIMENSIONS:
            raise ValueError(f"{name} has {len(dimensions)} dimensions; CloudWatch takes {MAX_DIMENSIONS}")
        key = tuple((key, value[:MAX_DIMENSION_CHARACTERS]) for key, value in sorted(dimensions.items()))
        with self._lock:
            gathered = self._gathered.setdefault(key, {})
            series = gathered.setdefault(name, _Series(unit))
            _add(series, value)
            full = len(series.values) == MAX_VALUES or len(gathered) == MAX_METRICS
        if full:
            self.flush()

    def _line(self, dimensions: _Dimensions, gathered: dict[str, _Series]) -> dict[str, Any]:
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [[key for key, _ in dimensions]],
            "Metrics": [{"Name": name, "Unit": series.unit} for name, series in gathered.items()],
        }
        header = {"Timestamp": int(self._now() * 1_000), "CloudWatchMetrics": [directive]}
        values = {
            name: series.values[0] if len(series.values) == 1 else series.values for name, series in gathered.items()
        }
        return {"_aws": header, **dict(dimensions), **values}


def _add(series: _Series, value: float) -> None:
    if series.unit is Unit.COUNT and series.values:
        series.values[0] += value
    else:
        series.values.append(value)


def _plain(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values
