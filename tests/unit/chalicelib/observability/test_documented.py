"""What the platform tells is described where operators look for it."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.observability.spans import LocalSpans
from fargate.adapters.xray_spans import PREFIX

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
METRIC = re.compile(r"metrics\.(?:count|time_ms)\(\s*\"(\w+)\"")


def test_every_metric_is_in_the_table_and_no_other() -> None:
    """By name: one that is added or taken away shows here."""
    sources = [path for area in ("chalicelib", "fargate") for path in (ROOT / area).rglob("*.py")]
    counted = {name for path in sources for name in METRIC.findall(path.read_text(encoding="utf-8"))}
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == counted
    assert len(counted) >= 15


def test_the_page_has_the_traces_numbers() -> None:
    """How many stages are remembered, and what segments are called."""
    assert f"{LocalSpans()._spans.maxlen:,}" in PAGE
    assert f"`{PREFIX}<service>`" in PAGE
