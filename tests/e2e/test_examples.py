"""The examples of the documentation do what they say, against a running platform."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.client.api import Client
from chalicelib.contracts.feedback import FeedbackQuery
from chalicelib.domain.feedback import Rating
from tests.e2e.running import RunningPlatform

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SAMPLE_ANSWER = "You can't stop a DB instance that has a read replica"


def run(platform: RunningPlatform, *command: str) -> str:
    """Run an example as its reader would, and give what it printed."""
    environment = {**os.environ, "RAGSTONE_URL": platform.url, "RAGSTONE_KEY": platform.key}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
def test_curl_asks_streams_uploads_and_rates(platform: RunningPlatform, client: Client) -> None:
    """The whole script, twice: what it makes may be there already."""
    for _ in range(2):
        printed = run(platform, "sh", str(EXAMPLES / "curl.sh"))
        assert SAMPLE_ANSWER in printed
        assert "# Say what you think of it\nup\n" in printed
        assert "event: run\nevent: passages\nevent: token\n" in printed
        assert printed.endswith("event: done\n# Upload a file\nEverybody has 30 days of leave. [1]\n")
    assert next(client.feedback()).rating is Rating.UP


def test_the_python_client_uploads_asks_and_rates(platform: RunningPlatform, client: Client) -> None:
    """In thirty-odd lines."""
    printed = run(platform, sys.executable, str(EXAMPLES / "ask.py"))
    assert printed.startswith("Everybody has 30 days of leave. [1]")
    assert "[1] leave.md: “Everybody has 30 days of leave.”" in printed
    run_id = next(client.runs()).run_id
    assert [one.rating for one in client.feedback(FeedbackQuery(run=run_id))] == [Rating.UP]


def test_openais_client_streams_with_citations(platform: RunningPlatform) -> None:
    """In ten lines."""
    printed = run(platform, sys.executable, str(EXAMPLES / "openai_chat.py"))
    assert SAMPLE_ANSWER in printed
    assert "USER_StopInstance.md: “You can't stop a DB instance" in printed
