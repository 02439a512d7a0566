"""`<ragstone-feedback>` in Chromium, on a page of another origin under the strictest policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chat_page import ChatServer, Platform
from tests.fakes.serving import eventually

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "build" / "browser"
"""Where screenshots are left for somebody to look at."""

AA = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
RULES_OF_A_WHOLE_PAGE = {"resultTypes": ["violations"], **AA}


@dataclass
class Shown:
    """One answer on a page, with what its reader sees."""

    page: Page
    run_id: str
    platform: Platform

    @property
    def up(self) -> Locator:
        return self.page.locator("ragstone-feedback button.up").first

    @property
    def down(self) -> Locator:
        return self.page.locator("ragstone-feedback button.down").first

    @property
    def form(self) -> Locator:
        return self.page.locator("ragstone-feedback form")

    def says(self, text: str) -> None:
        expect(self.page.get_by_role("status")).to_have_text(text)

    def stored(self, *, retracted: bool = False) -> list[dict[str, Any]]:
        return self.platform.feedback(self.run_id, retracted=retracted)

    def keeps(self, **wanted: Any) -> None:
        """Wait until the one feedback stored has these values; the page shows them before."""

        def kept() -> list[dict[str, Any]]:
            return [{name: one[name] for name in wanted} for one in self.stored()]

        assert eventually(lambda: kept() == [wanted]), kept()

    def component(self, script: str) -> Any:
        """Run *script* on the component, `it`."""
        return self.page.evaluate(f"() => {{ const it = document.querySelector('ragstone-feedback'); {script} }}")

    def shot(self, name: str) -> None:
        self.page.screenshot(path=SHOTS / f"{name}.png")

    def violations(self) -> list[str]:
        found = Axe().run(self.page, options=RULES_OF_A_WHOLE_PAGE)
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found.response["violations"]]


class Reader:
    """Opens pages; each in a context of its own."""

    def __init__(self, browser: Browser, platform: Platform, chat: ChatServer) -> None:
        self._browser = browser
        self._platform = platform
        self._chat = chat

    @contextmanager
    def opens(
        self, *, token: str | None = None, language: str = "en", host: str = "127.0.0.1", **context: Any
    ) -> Iterator[Shown]:
        """Open a page with a new answer. Whatever a test does, no policy may be violated."""
        answer = self._platform.answer()
        path = self._chat.show(answer["feedback_token"] if token is None else token, language)
        opened = self._browser.new_context(viewport={"width": 620, "height": 620}, locale="en-US", **context)
        page = opened.new_page()
        page.goto(f"http://{host}:{self._chat.server_port}{path}")
        yield Shown(page, answer["run_id"], self._platform)
        assert page.evaluate("window.violations") == []
        opened.close()


@pytest.fixture
def reader(browser: Browser, platform: Platform, chat: ChatServer) -> Reader:
    return Reader(browser, platform, chat)


def test_a_reader_votes_explains_and_takes_back(reader: Reader) -> None:
    """Each click saves at once; the form adds to it; the second click takes it back."""
    with reader.opens() as shown:
        shown.shot("1-fresh")
        shown.up.click()
        shown.says("Thank you. Saved.")
        expect(shown.up).to_have_attribute("aria-pressed", "true")
        shown.shot("2-up")
        assert shown.stored()[0]["rating"] == "up"
        shown.down.click()
        shown.says("Thank you. Saved.")
        assert shown.stored()[0]["rating"] == "down"
        shown.page.get_by_label("Outdated").check()
        shown.page.get_by_label("Comment").fill("It has been 32 days since January.")
        shown.page.get_by_label("Better answer").fill("32 days.")
        shown.shot("3-form")
        shown.page.get_by_role("button", name="Send").click()
        expect(shown.form).to_be_hidden()
        expect(shown.down).to_be_focused()
        shown.shot("4-sent")
        (kept,) = shown.stored()
        assert (kept["reasons"], kept["corrected_answer"]) == (["outdated"], "32 days.")
        shown.down.click()
        shown.says("Taken back.")
        expect(shown.down).to_have_attribute("aria-pressed", "false")
        assert shown.stored() == []
        (gone,) = shown.stored(retracted=True)
        assert gone["revision"] == 4
        assert shown.page.evaluate("window.events.map((one) => one.rating)") == ["up", "down", "down", None]


def test_the_keyboard_is_enough(reader: Reader) -> None:
    """To vote, to fill the form, and to leave it, which leads back to where one was."""
    with reader.opens() as shown:
        press = shown.page.keyboard.press
        press("Tab")
        expect(shown.up).to_be_focused()
        shown.shot("5-focus")
        press("Enter")
        shown.says("Thank you. Saved.")
        press("Tab")
        press("Space")
        expect(shown.page.get_by_role("checkbox", name="Wrong")).to_be_focused()
        press("Space")
        expect(shown.page.get_by_role("checkbox", name="Wrong")).to_be_checked()
        press("Escape")
        expect(shown.form).to_be_hidden()
        expect(shown.down).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", [False, True])
def test_nothing_keeps_anybody_out(reader: Reader, scheme: Any, opened: bool) -> None:
    """No violation of WCAG 2.2 A and AA, whether the form is open or not, in light and in dark."""
    with reader.opens(color_scheme=scheme) as shown:
        shown.page.evaluate(f"document.documentElement.style.background = '{'#111' if scheme == 'dark' else '#fff'}'")
        shown.page.evaluate(f"document.body.style.color = '{'#eee' if scheme == 'dark' else '#111'}'")
        assert shown.violations() == []
        if opened:
            shown.down.click()
            shown.says("Thank you. Saved.")
            shown.shot(f"6-{scheme}")
            assert shown.violations() == []


def test_a_failure_is_no_violation_either(reader: Reader) -> None:
    """Its colour has contrast too."""
    with reader.opens(token="x", color_scheme="dark") as shown:
        shown.up.click()
        shown.says("Feedback on this answer has closed. Reload the page.")
        shown.shot("7-refused")
        assert shown.violations() == []


@pytest.mark.parametrize(
    ("language", "good"),
    [
        ("de-CH", "Gute Antwort"),
        ("fr", "Bonne réponse"),
        ("es", "Buena respuesta"),
        ("ar", "إجابة جيدة"),
        ("zh", "Good answer"),
    ],
)
def test_it_speaks_the_language_of_the_page(reader: Reader, language: str, good: str) -> None:
    """Or the browser's; from right to left where that is how it is written."""
    with reader.opens(language=language) as shown:
        expect(shown.up).to_have_attribute("aria-label", good)
        shown.down.click()
        expect(shown.form).to_be_visible()
        direction = shown.form.evaluate("(form) => getComputedStyle(form).direction")
        assert direction == ("rtl" if language == "ar" else "ltr")
        shown.shot(f"8-{language}")


def test_an_expired_token_is_replaced_once(reader: Reader) -> None:
    """By the page's `getToken`, which is asked for nothing before."""
    with reader.opens(token="x") as shown:
        fresh = shown.platform.call("POST", "/feedback-tokens", {"run_id": shown.run_id})["token"]
        shown.component(f"window.asked = 0; it.getToken = async () => {{ window.asked += 1; return '{fresh}'; }};")
        shown.up.click()
        shown.says("Thank you. Saved.")
        assert shown.stored()[0]["rating"] == "up"
        shown.up.click()
        shown.says("Taken back.")
        assert shown.page.evaluate("window.asked") == 1


def test_a_tampered_token_is_refused(reader: Reader, platform: Platform) -> None:
    """Nothing is stored, and nothing looks as if it were."""
    head, claims, signature = platform.answer()["feedback_token"].split(".")
    with reader.opens(token=f"{head}.{claims}.{signature[::-1]}") as shown:
        shown.down.click()
        shown.says("Feedback on this answer has closed. Reload the page.")
        expect(shown.down).to_have_attribute("aria-pressed", "false")
        expect(shown.form).to_be_hidden()
        assert shown.stored() == []


def test_a_page_of_a_foreign_origin_is_refused(reader: Reader) -> None:
    """With a token that is good elsewhere; the same server under another name is another origin."""
    with reader.opens(host="localhost") as shown:
        shown.up.click()
        shown.says("This page may not send feedback.")
        expect(shown.up).to_have_attribute("aria-pressed", "false")
        assert shown.stored() == []


def test_a_body_that_is_too_large_is_refused(reader: Reader) -> None:
    """What was written stays in the form, to be shortened."""
    with reader.opens() as shown:
        shown.down.click()
        shown.says("Thank you. Saved.")
        shown.page.get_by_label("Comment").fill("語" * 4_000)
        shown.page.get_by_label("Better answer").fill("語" * 4_000)
        shown.page.get_by_role("button", name="Send").click()
        shown.says("The text is too long; not saved.")
        expect(shown.form).to_be_visible()
        assert shown.stored()[0]["comment"] is None


def test_the_twenty_first_write_is_refused(reader: Reader) -> None:
    """What stood before is shown again."""
    with reader.opens() as shown:
        for number in range(20):
            shown.up.click()
            shown.says("Taken back." if number % 2 else "Thank you. Saved.")
        shown.up.click()
        shown.says("Changed too often; not saved.")
        expect(shown.up).to_have_attribute("aria-pressed", "false")
        assert shown.stored() == []


def test_without_a_network_it_says_so(reader: Reader) -> None:
    """And works again when there is one."""
    with reader.opens() as shown:
        shown.page.context.set_offline(True)
        shown.up.click()
        shown.says("You are offline; not saved.")
        expect(shown.up).to_have_attribute("aria-pressed", "false")
        shown.page.context.set_offline(False)
        shown.up.click()
        shown.says("Thank you. Saved.")


def test_a_page_may_change_or_stop_what_is_sent(reader: Reader, platform: Platform) -> None:
    """By the event, before anything leaves."""
    with reader.opens() as shown:
        shown.component("it.addEventListener('ragstone-feedback', (event) => { event.detail.body.selection = '30'; });")
        shown.up.click()
        shown.says("Thank you. Saved.")
        assert shown.stored()[0]["selection"] == "30"
        shown.component("it.addEventListener('ragstone-feedback', (event) => event.preventDefault());")
        shown.down.click()
        expect(shown.down).to_have_attribute("aria-pressed", "true")
        assert shown.stored()[0]["rating"] == "up"


def test_the_last_of_many_quick_clicks_counts(reader: Reader) -> None:
    """They are sent one after the other."""
    with reader.opens() as shown:
        shown.component("for (const it2 of ['up', 'down', 'up']) it.shadowRoot.querySelector('.' + it2).click();")
        expect(shown.up).to_have_attribute("aria-pressed", "true")
        shown.keeps(rating="up", revision=3)


CITATIONS = """it.citations = [
    {marker: 1, chunk_id: ids[0], name: "leave.md"}, {marker: 2, chunk_id: ids[1], name: "rules.md"},
    {marker: 3, chunk_id: ids[0], name: "leave.md"},
]"""


def test_each_source_can_be_rated(reader: Reader) -> None:
    """Once the answer is; every passage once, and whatever is said later keeps what was said before."""
    with reader.opens() as shown:
        run = shown.platform.call("GET", f"/runs/{shown.run_id}")
        chunk = run["passages"][0]["chunk_id"]
        shown.component(f"const ids = ['{chunk}', 'chk_other']; {CITATIONS}")
        sources = shown.page.get_by_role("group", name="Rate the sources")
        expect(sources).to_be_hidden()
        shown.down.click()
        shown.says("Thank you. Saved.")
        expect(sources).to_have_text("[1][3] leave.md[2] rules.md")
        shown.page.get_by_label("Comment").fill("It has been 32 days.")
        shown.page.get_by_role("button", name="Send").click()
        expect(shown.form).to_be_hidden()
        good = shown.page.get_by_role("button", name="Good source: [1][3] leave.md")
        bad = shown.page.get_by_role("button", name="Bad source: [1][3] leave.md")
        bad.press("Enter")
        expect(bad).to_have_attribute("aria-pressed", "true")
        expect(bad).to_be_focused()
        shown.says("Thank you. Saved.")
        shown.keeps(citations=[{"chunk_id": chunk, "rating": -1}], comment="It has been 32 days.")
        shown.shot("9-sources")
        assert shown.violations() == []
        good.click()
        expect(bad).to_have_attribute("aria-pressed", "false")
        good.click()
        shown.up.click()
        shown.keeps(rating="up", citations=[{"chunk_id": chunk, "rating": 0}])
        shown.up.click()
        shown.says("Taken back.")
        expect(sources).to_be_hidden()
        assert shown.stored() == []


def test_a_source_that_is_not_the_runs_is_refused(reader: Reader) -> None:
    """What it showed before is shown again."""
    with reader.opens() as shown:
        shown.component(f"const ids = ['chk_other', 'chk_another']; {CITATIONS}")
        shown.up.click()
        shown.says("Thank you. Saved.")
        bad = shown.page.get_by_role("button", name="Bad source: [2] rules.md")
        bad.click()
        shown.says("Not saved. Please try again.")
        expect(bad).to_have_attribute("aria-pressed", "false")
        assert shown.stored()[0]["citations"] == []
