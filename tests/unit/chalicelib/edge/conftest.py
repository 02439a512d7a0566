"""A fresh platform for each test of the edge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.access import Role
from tests.fakes.edge_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    platform = World(tmp_path)
    yield platform
    platform.close()


@pytest.fixture
def admin(world: World) -> str:
    return world.key(Role.ADMIN)
