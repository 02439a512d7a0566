"""Metrics are valid embedded metric format, or nothing."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest

from chalicelib.observability.metrics import Metrics


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def assert_valid(line: dict[str, Any]) -> None:
    """
    Hold *line* to the structure CloudWatch documents.

    Amazon CloudWatch user guide, "Specification: Embedded metric format", schema of the root node and its metadata.
    """
    header = line["_aws"]
    assert isinstance(header["Timestamp"], int)
    for directive in header["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 1024
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            assert all(isinstance(line[name], str) and len(line[name]) <= 1024 for name in dimensions)
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric["Unit"] in {"Count", "Milliseconds"}
            values = line[metric["Name"]]
            values = values if isinstance(values, list) else [values]
            assert 1 <= len(values) <= 100
            assert all(isinstance(value, int | float) for value in values)


def test_a_flush_is_one_valid_line_a_dimension_set() -> None:
    """Counts add up, durations are kept one by one."""
    stream = io.StringIO()
    metrics = Metrics("Ragstone", stream, now=lambda: 1_700_000_000.5)
    metrics.count("Requests", Service="retrieval")
    metrics.count("Requests", 2, Service="retrieval")
    metrics.time_ms("Duration", 1.5, Service="retrieval")
    metrics.time_ms("Duration", 2.5, Service="retrieval")
    metrics.count("Requests", Service="generation")
    metrics.flush()
    lines = written(stream)
    for line in lines:
        assert_valid(line)
    retrieval, generation = sorted(lines, key=lambda line: line["Service"], reverse=True)
    assert (retrieval["Requests"], retrieval["Duration"]) == (3, [1.5, 2.5])
    assert generation["Requests"] == 1
    assert retrieval["_aws"]["Timestamp"] == 1_700_000_000_500


def test_a_second_flush_has_nothing_to_say() -> None:
    """A value is reported once."""
    stream = io.StringIO()
    metrics = Metrics("Ragstone", stream)
    metrics.count("Requests")
    metrics.flush()
    metrics.flush()
    assert len(written(stream)) == 1


def test_no_line_outgrows_the_format_and_no_value_is_lost() -> None:
    """Eight threads, 2,000 durations under many names: every line is valid and every value arrives."""
    stream = io.StringIO()
    metrics = Metrics("Ragstone", stream)

    def record(worker: int) -> None:
        for number in range(250):
            metrics.time_ms(f"Stage{number % 125}" if worker % 2 else "Duration", 1.0, Dimension="x" * 2_000)

    threads = [threading.Thread(target=record, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.flush()
    total = 0
    for line in written(stream):
        assert_valid(line)
        names = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        total += sum(len(line[name]) if isinstance(line[name], list) else 1 for name in names)
    assert total == 2_000


def test_too_many_dimensions_are_refused() -> None:
    """CloudWatch would drop the line without a word."""
    with pytest.raises(ValueError, match="31 dimensions"):
        Metrics("Ragstone", io.StringIO()).count("Requests", 1, **{f"D{number}": "x" for number in range(31)})


def test_switched_off_metrics_gather_nothing() -> None:
    """Without a stream nothing is kept, so nothing grows."""
    metrics = Metrics("Ragstone", None)
    for _ in range(1_000):
        metrics.time_ms("Duration", 1.0)
    metrics.flush()
    assert metrics._gathered == {}
