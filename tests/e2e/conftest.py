"""One platform with its sample for all end-to-end tests; those that stop, kill or fill one start their own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chalicelib.client.api import Client
from fargate.standalone.first_start import sample_documents
from tests.e2e.running import RunningPlatform, running_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A platform whose sample documents are all searchable."""
    with running_platform(tmp_path_factory.mktemp("platform") / "data") as platform:
        with platform.client() as client:
            wait_for_sample(client)
        yield platform


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    """The platform's admin."""
    with platform.client() as client:
        yield client


def wait_for_sample(client: Client) -> None:
    """Wait until every sample document was submitted and read."""
    expected = len(sample_documents())
    while len(documents := list(client.documents(index="sample"))) < expected:
        time.sleep(0.25)
    client.wait_for_documents([document.document_id for document in documents], timeout_s=120)
