"""A platform that really runs, a chat page of another origin, and Debian's Chromium to open it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from tests.browser.chat_page import ChatServer, Platform
from tests.e2e.running import running_platform

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)


@pytest.fixture(scope="session")
def platform(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with (
        running_platform(
            tmp_path_factory.mktemp("platform") / "data", RAGSTONE_SAMPLE="false", RAGSTONE_ALLOWED_ORIGINS="*"
        ) as running,
        running.client() as client,
    ):
        client.create_index(IndexCreate(name="handbook"))
        document = DocumentCreate(index="handbook", name="leave.md", text="Everybody has 30 days of leave.")
        client.wait_for_documents([client.create_document(document).document.document_id])
        yield Platform(running)


@pytest.fixture(scope="session")
def chat(platform: Platform) -> Iterator[ChatServer]:
    with ChatServer(platform) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        platform.call("PATCH", "/tenants/local", {"feedback_origins": [server.origin]})
        yield server
        server.shutdown()
        serving.join()
