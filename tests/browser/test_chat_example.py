"""The chat page of the documentation in Chromium, as it is, but for the address of the platform."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chat_page import Platform

pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[2] / "docs" / "examples" / "chat.html"
SHOTS = Path(__file__).parents[2] / "build" / "browser"
WRITTEN_ADDRESS = "http://127.0.0.1:8080"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the page from an origin that may send feedback, on a platform that has gone live; give its address."""
    folder = tmp_path_factory.mktemp("page")
    text = PAGE.read_text(encoding="utf-8").replace(WRITTEN_ADDRESS, platform.running.url)
    (folder / "chat.html").write_text(text, encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        origin = f"http://127.0.0.1:{server.server_port}"
        release = platform.call("POST", "/releases", {"index": "handbook"})["release"]
        platform.call("POST", f"/releases/{release}/promote", {"override_reason": "a test"})
        before = platform.call("GET", "/tenants/local")["feedback_origins"]
        platform.call("PATCH", "/tenants/local", {"feedback_origins": [*before, origin]})
        yield f"{origin}/chat.html"
        server.shutdown()
        serving.join()


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """Open the page; whatever a test does, its own policy may not be violated."""
    context = browser.new_context(viewport={"width": 720, "height": 560})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    assert complaints == []
    context.close()


def ask(page: Page, key: str, question: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()


def test_the_policy_lets_nothing_run_but_the_page_itself() -> None:
    """It names its script and its style by their hashes, and the component by its own."""
    text = PAGE.read_text(encoding="utf-8")
    for kind, opening in {"script": '<script type="module">', "style": "<style>"}.items():
        inside = text.partition(opening)[2].partition(f"</{kind}>")[0]
        assert inside
        hashed = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{hashed}'" in text
    assert re.findall(r"(?:src|href)=\"(?!http://127\.0\.0\.1:8080/)", text) == []


def test_an_answer_streams_in_with_its_citations_and_is_rated(
    browser: Browser, address: str, platform: Platform
) -> None:
    """The next question goes on with the conversation."""
    with opened(browser, address) as page:
        ask(page, platform.running.key, "How much leave has everybody?")
        answer = page.get_by_role("article").first
        expect(answer.locator("p")).to_have_text("Everybody has 30 days of leave. [1]")
        expect(answer.locator("blockquote")).to_have_text("[1] “Everybody has 30 days of leave.” leave.md")
        answer.get_by_role("button", name="Good answer").click()
        expect(answer.get_by_role("status")).to_have_text("Thank you. Saved.")
        answer.get_by_role("button", name="Good source: [1] leave.md").click()
        expect(answer.get_by_role("button", name="Good source: [1] leave.md")).to_have_attribute("aria-pressed", "true")
        ask(page, platform.running.key, "Who has them?")
        expect(page.get_by_role("article")).to_have_count(2)
        expect(page.locator("ragstone-feedback")).to_have_count(2)
        page.screenshot(path=SHOTS / "chat-example.png")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        assert [one["id"] for one in found.response["violations"]] == []
    second, first = platform.call("GET", "/runs?limit=2")["items"]
    assert [one["rating"] for one in platform.feedback(first["run_id"])] == ["up"]
    turns = platform.call("GET", f"/runs/{second['run_id']}")["request"]["conversation"]
    assert [turn["content"] for turn in turns] == [
        "How much leave has everybody?",
        "Everybody has 30 days of leave. [1]",
    ]


def test_a_failure_is_shown(browser: Browser, address: str) -> None:
    """In the platform's own words."""
    with opened(browser, address) as page:
        ask(page, "rgs_nonsense", "How much leave?")
        expect(page.locator(".failed")).to_have_text("The API key or token is wrong, expired or revoked.")
