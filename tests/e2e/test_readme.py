"""What the README and the API page tell a reader to type does what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from chalicelib.contracts.asking import QueryRequest
from tests.e2e.running import RunningPlatform

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def blocks(page: str, language: str) -> list[str]:
    """Give the code blocks of *language* on *page*."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_two_commands_of_the_start_are_targets_of_the_makefile() -> None:
    """`make test` is running now, and `tests/e2e/test_fresh_clone.py` does the `make run`."""
    commands = re.findall(r"^make (\w+)", blocks("README.md", "sh")[0], re.MULTILINE)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["run", "test"]
    assert set(commands) <= set(targets)


def test_the_commands_of_the_readme_work(platform: RunningPlatform, tmp_path: Path) -> None:
    """Run as they stand there, but for the port, the data folder, and how many documents are taken in."""
    _, commands, curl = blocks("README.md", "sh")
    shell = _adapted(commands, platform)
    printed = _run(shell, platform, tmp_path)
    assert "When you stop a DB instance it retains its DNS endpoint." in printed
    assert "A release is named by the hash of its content" in printed
    answer = json.loads(_run(_adapted(curl, platform), platform, tmp_path))
    assert "can't stop a DB instance that has a read replica" in answer["answer"]
    _run(_adapted(".venv/bin/ragstone status", platform), platform, tmp_path)


def test_the_answer_that_the_readme_shows_is_the_one_given(platform: RunningPlatform) -> None:
    """Its first sentence and quote."""
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    question = re.search(r"^Q: (.*)$", shown, re.MULTILINE)
    sentence = re.search(r"^A: (.*?) \[1\]", shown, re.MULTILINE)
    quote = re.search(r"“(.*?)”", shown)
    assert question
    assert sentence
    assert quote
    with platform.client() as client:
        answer = client.query(QueryRequest(question=question[1]))
    assert sentence[1] in answer.answer
    assert quote[1] in [citation.quote for citation in answer.citations]


def test_the_python_example_of_the_api_page_works(platform: RunningPlatform, tmp_path: Path) -> None:
    """It prints the citations."""
    (example,) = blocks("docs/api.md", "python")
    code = example.replace("http://127.0.0.1:8080", platform.url).replace(".ragstone/", f"{platform.folder}/")
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", str(script)],
        capture_output=True, text=True, env=environment, timeout=60, check=True,
    )  # fmt: skip
    assert "[1] " in done.stdout


def _adapted(commands: str, platform: RunningPlatform) -> str:
    return (
        commands.replace(".venv/bin/", f"{BIN}/")
        .replace("http://127.0.0.1:8080", platform.url)
        .replace(".ragstone/", f"{platform.folder}/")
        .replace(" docs ", f" {ROOT / 'docs' / 'decisions'} ")
    )


def _run(script: str, platform: RunningPlatform, folder: Path) -> str:
    mine = {"RAGSTONE_URL": platform.url, "RAGSTONE_API_KEY": platform.key, "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True, text=True, cwd=folder, env=os.environ | mine, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
