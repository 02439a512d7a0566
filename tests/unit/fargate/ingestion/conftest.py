"""A data folder and a process over it, for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clock import HandClock
from tests.fakes.ingestion import Disk, Site


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path, HandClock())
    yield disk
    disk.close()


@pytest.fixture
def site(disk: Disk) -> Site:
    """Give a process that has made its index."""
    site = Site(disk)
    site.create_index()
    return site
