"""What all tests share: an AWS and a PostgreSQL a process, properties on the same examples, suites that explain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.postgres import Postgres

# The contract suites are imported by several folders' tests, whichever comes first.
pytest.register_assert_rewrite(
    *(f"tests.contract.{suite.stem}" for suite in (Path(__file__).parent / "contract").glob("*_contract.py"))
)
settings.register_profile("house", derandomize=True)  # so that a failure is a change's own
settings.load_profile("house")


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """Serve AWS, as moto has it."""
    from tests.fakes.aws import aws_server

    with aws_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Serve PostgreSQL, which takes two seconds to start."""
    from tests.fakes.postgres import postgres_server

    with postgres_server() as server:
        yield server
