"""What a person sees of the platform in a terminal, and how commands fail."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.contracts.asking import DoneEvent, ErrorEvent, RunEvent, TokenEvent
from chalicelib.errors import Conflict, InvalidRequest, RateLimited, Unavailable
from tests.fakes.answers import answer
from tests.fakes.platform import KEY, FakePlatform
from tests.unit.fargate.cli.conftest import Run


def test_ask_shows_the_answer_and_its_evidence(run: Run, platform: FakePlatform) -> None:
    """The answer, then where it stands: document, page, heading, the very words."""
    result = run("ask", "How many days?", "--index", "handbook")
    assert result.exit_code == 0
    assert result.stdout.startswith("Everybody has 30 days. [1]\n")
    assert "[1] leave.md, page 3, Leave\n    “Everybody has 30 days.”" in result.stdout
    assert "run run_1 · release rel_1" in result.stderr
    assert b'"index":"handbook"' in platform.seen[0].body


def test_ask_says_that_it_abstains(run: Run, platform: FakePlatform) -> None:
    """An answer without tokens is shown too."""
    declined = answer("I cannot say.").model_copy(update={"abstained": True, "citations": []})
    platform.events = [RunEvent(run_id="run_1", release="rel_1"), DoneEvent(answer=declined)]
    result = run("ask", "How many moons?")
    assert result.stdout == "I cannot say.\n"
    assert "do not support an answer" in result.stderr


def test_an_answer_that_fails_midway_is_a_failure(run: Run, platform: FakePlatform) -> None:
    """What had come is shown, then why there is no more."""
    problem = Unavailable("The model does not answer.").problem()
    platform.events = [RunEvent(run_id="r", release="l"), TokenEvent(text="Every"), ErrorEvent(problem=problem)]
    result = run("ask", "q")
    assert (result.exit_code, result.stdout) == (1, "Every\n")
    assert "Error: The model does not answer." in result.stderr


def test_a_document_cannot_drive_the_terminal(run: Run, platform: FakePlatform) -> None:
    """Control sequences and markup in an answer are shown as nothing, or as they stand."""
    hostile = answer("\x1b]0;owned\x07[red]x[/red]")
    platform.events = [TokenEvent(text="\x1b[2J[red]x[/red]"), DoneEvent(answer=hostile)]
    result = run("ask", "q")
    assert "\x1b" not in result.output
    assert "[red]x[/red]" in result.stdout


def test_status_shows_indexes_and_jobs(run: Run) -> None:
    """Health, what is there, what is under way."""
    result = run("status")
    assert result.exit_code == 0
    assert "Ragstone 0.1.0 is up; you are ada." in result.stdout
    assert "handbook" in result.stdout
    assert "embed 1/4, 2.0/s, 2 s left" in result.stdout


def test_jobs_are_listed_cancelled_and_retried(run: Run) -> None:
    """Each by one command."""
    assert "embed 1/4" in run("jobs", "list").stdout
    assert run("jobs", "cancel", "job_1").stdout == "job_1 is cancelled.\n"
    assert run("jobs", "retry", "job_1").stdout == "job_1 is queued again.\n"


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    """The secret alone goes to standard output, so that it can be piped."""
    made = run("keys", "create", "ci", "--role", "editor", "--group", "hr", "--expires-days", "30")
    assert (made.exit_code, made.stdout) == (0, "rgs_shown_once\n")
    assert "editor" in run("keys", "list").stdout
    assert run("keys", "revoke", "key_1").stdout == "Revoked key_1 (ci).\n"
    assert "revoked 2026-03-01" in run("keys", "list").stdout


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Conflict("It exists already."), "Error: It exists already."),
        (RateLimited("Too many requests.", retry_after_s=60), "Error: Too many requests."),
        (InvalidRequest("Two faults.", [{"loc": ["a"], "msg": "b"}, {"loc": ["c", 0], "msg": "d"}]), "  c.0: d"),
    ],
)
def test_an_error_is_a_sentence_and_a_status(
    run: Run, platform: FakePlatform, error: Conflict | RateLimited | InvalidRequest, said: str
) -> None:
    """No traceback, whatever the platform says."""
    platform.failures.append((error, {"Retry-After": "60"}))
    result = run("keys", "list")
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_platform_that_is_not_there_says_how_to_start_it(run: Run) -> None:
    """The remedy stands below."""
    result = run("status", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "http://127.0.0.1:9 cannot be reached" in result.stderr
    assert "`ragstone up` starts it" in result.stderr


def test_a_wrong_key_says_where_one_goes(run: Run) -> None:
    """401 has its remedy too."""
    result = run("status", "--key", "wrong")
    assert result.exit_code == 1
    assert "--key or RAGSTONE_API_KEY" in result.stderr


def test_the_admin_key_of_the_data_folder_is_used(run: Run, tmp_path: Path) -> None:
    """On the machine of the platform nothing has to be set."""
    missing = run("status", RAGSTONE_API_KEY=None, RAGSTONE_DATA_DIR=str(tmp_path))
    assert missing.exit_code == 2
    assert "admin.key cannot be read" in missing.stderr
    (tmp_path / "admin.key").write_text(KEY + "\n", encoding="ascii")
    assert run("status", RAGSTONE_API_KEY=None, RAGSTONE_DATA_DIR=str(tmp_path)).exit_code == 0


def test_the_admin_key_stays_on_its_machine(run: Run, tmp_path: Path) -> None:
    """Another host's address never gets it."""
    (tmp_path / "admin.key").write_text(KEY + "\n", encoding="ascii")
    elsewhere = {"RAGSTONE_URL": "http://ragstone.example", "RAGSTONE_API_KEY": None}
    result = run("status", RAGSTONE_DATA_DIR=str(tmp_path), **elsewhere)
    assert result.exit_code == 2
    assert "another machine needs a key of its own" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask"],
        ["ask", ""],
        ["ask", "q", "--index", "Not A Name"],
        ["keys", "create", "ci", "--role", "emperor"],
        ["ingest", "/nowhere", "--index", "handbook"],
        ["status", "--url", "ftp://x"],
        ["fly"],
    ],
)
def test_misuse_exits_with_2(run: Run, platform: FakePlatform, arguments: list[str]) -> None:
    """And nothing is asked of the platform."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert platform.seen == []


@pytest.mark.parametrize("variables", [{"RAGSTONE_PROT": "1"}, {"RAGSTONE_PORT": "many"}])
def test_a_wrong_setting_exits_with_2_and_its_name(run: Run, variables: dict[str, str]) -> None:
    """A typing error is never passed over."""
    result = run("status", **variables)
    assert result.exit_code == 2
    assert next(iter(variables)) in result.stderr


def test_help_is_there_at_once() -> None:
    """Nothing heavy is loaded for it: neither models nor web frameworks, not even the client."""
    program = (
        "import sys; from fargate.cli import main; sys.argv = ['ragstone', '--help']\n"
        "try: main()\n"
        "finally: print(sorted({'numpy', 'openvino', 'fastapi', 'uvicorn', 'pydantic', 'urllib3'} & set(sys.modules)))"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "ingest" in done.stdout
    assert time.perf_counter() - started < 3  # 0.3 s on an idle machine
