"""The images: what the Dockerfile says is held to rules here, for there is no engine to build with on every machine."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from fargate.bootstrap import SERVICES
from infra.image_requirements import LOCK, ONLY, requirements

ROOT = Path(__file__).parents[3]

_BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import fargate.__main__
"""


def stages() -> dict[str, list[tuple[str, str]]]:
    """Give the instructions of each stage, by its name."""
    parser = DockerfileParser(fileobj=io.BytesIO((ROOT / "Dockerfile").read_bytes()))
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for line in parser.structure:
        if line["instruction"] == "COMMENT":
            continue
        if line["instruction"] == "FROM":
            name = line["value"].split()[-1]
            found[name] = []
        found[name].append((line["instruction"], line["value"]))
    return found


def values(stage: str, instruction: str) -> list[str]:
    return [value for name, value in stages()[stage] if name == instruction]


def test_every_service_has_an_image_and_there_are_no_others() -> None:
    """A stage with an entry point is an image."""
    assert {name for name in stages() if values(name, "ENTRYPOINT")} == set(SERVICES)


def test_images_stand_on_a_base_that_must_be_named() -> None:
    """Without a default nobody builds on what a tag happens to mean today."""
    own = set(stages())
    bases = {values(name, "FROM")[0].split()[0] for name in own if name}
    assert bases - own == {"${PYTHON_IMAGE}"}
    assert values("", "ARG") == ["PYTHON_IMAGE"]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_starts_its_service_asks_it_for_its_health_and_is_nobody(service: str) -> None:
    """By the numbers that the task definition has."""
    assert json.loads(values(service, "ENTRYPOINT")[0]) == ["python", "-m", "fargate", service]
    asked = values(service, "HEALTHCHECK")[0].partition("CMD ")[2]
    assert json.loads(asked) == ["python", "-m", "fargate.http.probe", service]
    assert values(service, "FROM")[0].split()[0] == "base"
    assert values("base", "USER") == ["10001:10001"]
    assert not values(service, "USER")


def test_packages_are_wheels_with_known_hashes() -> None:
    """Whatever is installed is in the lock."""
    for line in (value for name in stages() for value in values(name, "RUN") if " install " in value):
        assert re.search(r"pip install .*--no-deps --require-hashes --only-binary :all:\s+-r wanted.txt", line), line


def test_nothing_secret_goes_into_an_image() -> None:
    """Only what is named gets into the build, and nothing comes by an address."""
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    names = {name for instructions in stages().values() for name, _ in instructions}
    assert not names & {"ADD", "ONBUILD", "SHELL"}
    code = {"chalicelib", "ui", "fargate"}
    allowed = {"LICENSE", "NOTICE", *code, "requirements/run.txt", "infra/image_requirements.py"}
    copied = [value.split() for name in stages() for value in values(name, "COPY") if "--from" not in value]
    assert {source for parts in copied for source in parts[:-1]} == allowed


def test_each_package_of_the_lock_is_for_everybody_or_for_one_service() -> None:
    """The large ones are in the image of their own service alone."""
    lock = LOCK.read_text(encoding="utf-8")
    found = [requirements(lock), *(requirements(lock, service) for service in ONLY)]
    names = [re.findall(r"^([\w.-]+)==", one, re.MULTILINE) for one in found]
    assert names[1:] == [sorted(ONLY[service]) for service in ONLY]
    assert sorted(chain.from_iterable(names)) == sorted(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    for service in SERVICES:
        own = [f"--from=packages-{service} /opt/own /opt/own"] if service in ONLY else []
        assert values(service, "COPY") == own


def test_services_start_without_the_large_packages_of_others() -> None:
    """None of them is imported before the service that has it uses it."""
    blocked = {name.replace("-", "_") for names in ONLY.values() for name in names}
    done = subprocess.run([sys.executable, "-c", _BLOCKED.format(blocked=blocked)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
