"""The feedback component as pages get it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest

from tests.fakes.edge_world import World

ROOT = Path(__file__).parents[4]
SCRIPT = ROOT / "ui" / "static" / "ragstone-feedback.js"
MAX_GZIP_BYTES = 6_000


def integrity() -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(SCRIPT.read_bytes()).digest()).decode()


@pytest.mark.parametrize("origin", ["https://chat.example", None])
def test_every_page_may_load_it_for_ever(world: World, origin: str | None) -> None:
    """Without a credential; what stands at the address of a version never changes."""
    headers = {} if origin is None else {"Origin": origin}
    reply = world.ask("GET", "/widget/v1/ragstone-feedback.js", headers=headers)
    assert (reply.status, reply.raw) == (200, SCRIPT.read_bytes())
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_its_hash_is_published(world: World) -> None:
    """By the platform and in the documentation."""
    reply = world.ask("GET", "/widget/v1/integrity.json")
    assert reply.body == {"ragstone-feedback.js": integrity()}
    assert integrity() in (ROOT / "docs" / "feedback.md").read_text(encoding="utf-8")


def test_it_is_small() -> None:
    """At most 6 KB for a page that has it compressed."""
    assert len(gzip.compress(SCRIPT.read_bytes(), 9)) <= MAX_GZIP_BYTES


def test_it_builds_nothing_from_text() -> None:
    """No sink of markup or code, which Trusted Types would refuse, nothing loaded beside, no inline style."""
    script = SCRIPT.read_text(encoding="utf-8")
    sinks = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\bimport\b|\.style\b|setTimeout"
    )
    assert re.findall(sinks, script) == []


def test_every_language_says_everything() -> None:
    """A text that is missing would show as nothing; none holds a word of another language's list."""
    script = SCRIPT.read_text(encoding="utf-8")
    names = re.findall(r'"([^"]+)"', _between(script, "const NAMES = [", "];"))
    reasons = re.findall(r'"([^"]+)"', _between(script, "const REASONS = [", "];"))
    texts = _between(script, "const TEXTS = {", "  };")
    spoken = {
        found[1]: re.findall(r'"([^"]+)"', found[2]) for found in re.finditer(r"(\w\w): \[(.*?)\],\n", texts, re.S)
    }
    assert set(spoken) == {"en", "de", "fr", "es", "ar"}
    assert {len(said) for said in spoken.values()} == {len(names) + len(reasons)}
    assert all(len(set(said)) == len(said) for said in spoken.values())


def _between(text: str, start: str, end: str) -> str:
    return text.split(start, 1)[1].split(end, 1)[0]
