"""Deploying, as far as it goes without an account."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fargate.bootstrap import SERVICES
from infra import deploy
from infra.expanded_templates import named, rendered

DIGEST = "sha256:" + "0" * 64
BASE = f"python:3.13-slim-bookworm@{DIGEST}"
NEEDED = {
    "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
    "InternalDomain": "internal.example.com",
    "TracesImage": f"aws-otel-collector@{DIGEST}",
}
GUIDE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")


def arguments(parameters: dict[str, str]) -> list[str]:
    return ["--python-image", BASE, *(part for name, value in parameters.items() for part in ("-p", f"{name}={value}"))]


def test_the_plan_packages_then_builds_every_image_then_deploys_them_by_digest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The places for images come before the images, the images before what runs them."""
    deploy.main([*arguments(NEEDED), "--plan"])
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    targets = [command[command.index("--target") + 1] for command in commands if "--target" in command]
    assert targets == list(SERVICES)
    stacks = [command[command.index("--stack-name") + 1] for command in commands if "--stack-name" in command]
    assert stacks == ["ragstone-registry", "ragstone"]
    overrides = dict(part.split("=", 1) for part in commands[-1][commands[-1].index("--parameter-overrides") + 1 :])
    assert overrides["GatewayImage"].endswith("/ragstone/gateway@sha256:…")
    assert set(overrides) <= set(named("ragstone")["Parameters"])


def test_without_credentials_nothing_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says so at once, and what to do."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SystemExit, match="no AWS credentials"):
        deploy.main(arguments(NEEDED))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"Sise": "small"}, "there is no parameter Sise"),
        ({"InternalDomain": "nodots"}, "InternalDomain must match"),
        ({"TracesImage": "collector:latest"}, "TracesImage must match"),
        ({"VectorStore": "postgres"}, "VectorStore must be one of s3vectors, pgvector"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_is_built(changed: dict[str, str], says: str) -> None:
    """By the template's own patterns."""
    with pytest.raises(SystemExit, match=says):
        deploy.main([*arguments(NEEDED | changed), "--plan"])


def test_what_is_missing_is_named() -> None:
    """All of it at once."""
    with pytest.raises(SystemExit, match="CertificateArn, InternalDomain, TracesImage"):
        deploy.main([*arguments({}), "--plan"])


def test_a_base_image_without_digest_is_refused() -> None:
    """A tag may be another image tomorrow."""
    with pytest.raises(SystemExit, match="by its digest"):
        deploy.checked(NEEDED, "python:3.13-slim-bookworm", "eu-central-1")


def test_a_database_is_prepared_after_it_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    """Where one is made."""
    deploy.main([*arguments(NEEDED | {"VectorStore": "pgvector"}), "--name", "search", "--plan"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("-m infra.database --stack search --region eu-central-1")


def test_a_database_nobody_could_be_sure_of_is_not_made() -> None:
    """Services talk to none whose authority they do not know."""
    with pytest.raises(SystemExit, match="who vouches for databases in mars-north-1"):
        deploy.checked(NEEDED | {"VectorStore": "pgvector"}, BASE, "mars-north-1")


def test_the_guide_names_every_parameter_and_only_such_as_there_are() -> None:
    """In the table of docs/operations.md."""
    table = GUIDE.partition("### Parameters")[2].partition("###")[0]
    described = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert described == set(named("ragstone")["Parameters"]) - deploy.OWN_PARAMETERS


def test_every_step_of_the_guide_that_needs_no_account_is_there() -> None:
    """Make targets, modules and files that it names."""
    section = GUIDE.partition("## On AWS")[2]
    makefile = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", section)) <= targets
    for path in re.findall(r"`((?:infra|docs|requirements)/[\w/.-]+)`", section):
        assert (Path(__file__).parents[3] / path).exists(), path


@pytest.mark.parametrize(("column", "size"), [(1, "small"), (2, "standard"), (3, "large")])
def test_the_costs_of_the_guide_count_the_tasks_of_the_template(column: int, size: str) -> None:
    """Processors and memory, with the least number of tasks, and the least that a database is."""
    tasks = named("services")["Mappings"][size].values()
    processors = sum(one["Cpu"] * one["Min"] for one in tasks) // 1024
    gigabytes = sum(one["Memory"] * one["Min"] for one in tasks) // 1024
    rows = [line.split("|") for line in GUIDE.splitlines() if line.startswith("| Fargate: ")]
    assert [int(row[column + 1].split()[0]) for row in rows] == [processors, gigabytes]
    least = named("database")["Mappings"][size]["Capacity"]["Min"]
    units = least * sum(1 for one in rendered("database", Size=size)["Resources"] if one.startswith("Instance"))
    (aurora,) = (line.split("|") for line in GUIDE.splitlines() if line.startswith("| Aurora instead"))
    assert int(aurora[column + 1].split()[0]) == units
