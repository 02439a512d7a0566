"""The command, run against a small platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from fargate.cli.app import app
from tests.fakes.platform import KEY, FakePlatform
from tests.fakes.serving import serving

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, FakePlatform]]:
    """Serve the small platform."""
    platform = FakePlatform(page_items=200)
    with serving(platform.app()) as url:
        yield url, platform


@pytest.fixture
def platform(server: tuple[str, FakePlatform]) -> FakePlatform:
    """Give the small platform with one empty index."""
    server[1].__init__(page_items=200)  # type: ignore[misc]
    server[1].add_index("handbook")
    return server[1]


@pytest.fixture
def run(server: tuple[str, FakePlatform], platform: FakePlatform) -> Run:
    """Run ``ragstone`` with arguments against the small platform."""
    environment = {"RAGSTONE_URL": server[0], "RAGSTONE_API_KEY": KEY, "COLUMNS": "200"}

    def run(*arguments: str, **variables: str | None) -> Result:
        return CliRunner().invoke(app, list(arguments), env={**environment, **variables})

    return run
