"""The images, built: what is in them, and the platform running in them."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fargate.bootstrap import SERVICES
from infra.image_requirements import ONLY
from tests.e2e import journey
from tests.e2e.processes import Command, processes
from tests.fakes.aws import Aws
from tests.images.building import BuildError, Image, base_image, built

pytestmark = pytest.mark.images
NOBODY = 10_001
MIB = 1 << 20
LARGEST_MIB = 800
"""What Fargate has to fetch before a task starts, unpacked."""


@pytest.fixture(scope="module")
def images() -> Iterator[Mapping[str, Image]]:
    """Build them all."""
    try:
        base = base_image()
    except BuildError as refused:  # `make images` asked before, and failed
        pytest.skip(f"images cannot be built here: {refused}")
    with ExitStack() as kept:
        yield {service: kept.enter_context(built(service, base)) for service in SERVICES}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def image(images: Mapping[str, Image], service: str) -> Image:
    return images[service]


def run(image: Image, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container of *image*."""
    command, known = image.command(arguments, environment)
    return subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)


def test_an_image_says_how_its_service_is_run(image: Image, service: str) -> None:
    """What an engine without our task definitions goes by."""
    assert image.config["User"] == f"{NOBODY}:{NOBODY}"
    assert image.config["Entrypoint"] == ["python", "-m", "fargate", service]
    assert image.config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "fargate.http.probe", service]
    assert (list(image.config["ExposedPorts"]), list(image.config["Volumes"])) == (["8080/tcp"], ["/tmp"])


def test_a_container_can_write_nowhere_but_for_a_while(image: Image) -> None:
    """As nobody, with no right of the system's, on files that are read-only; and none is its own."""
    assert run(image, "id", "--user").stdout == f"{NOBODY}\n"
    rights = dict(line.split(":\t") for line in run(image, "cat", "/proc/self/status").stdout.splitlines())
    assert (rights["CapBnd"], rights["CapEff"], rights["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    refused = run(image, "touch", "/srv/ragstone/new").stderr
    assert "Read-only file system" in refused
    assert run(image, "touch", "/tmp/new").returncode == 0
    assert [path for path, about in image.files() if NOBODY in {about.st_uid, about.st_gid}] == []


def test_an_image_holds_the_code_and_the_packages_of_its_service(
    image: Image, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No tests, no sample, and no large package of another service; not too much in all."""
    size_mib = sum(about.st_blocks * 512 for _, about in image.files() if not stat.S_ISDIR(about.st_mode)) / MIB
    with capsys.disabled():
        print(f"\n{service}: {size_mib:.0f} MiB", end=" ")  # noqa: T201 -- the figure
    code = image.root / "srv" / "ragstone"
    assert {path.name for path in code.iterdir()} == {"LICENSE", "NOTICE", "chalicelib", "fargate", "ui"}
    assert not (code / "fargate" / "standalone" / "sample").exists()
    assert list(code.rglob(".*")) == []
    places = [*image.root.glob("opt/venv/lib/python3.*/site-packages"), image.root / "opt" / "own"]
    installed = {path.name.partition("-")[0] for place in places if place.exists() for path in place.iterdir()}
    large = {name.replace("-", "_") for names in ONLY.values() for name in names}
    assert installed & large == {name.replace("-", "_") for name in ONLY.get(service, ())}
    assert {"boto3", "pg8000"} <= installed
    assert not installed & {"pytest", "moto"}
    assert size_mib < LARGEST_MIB


def test_what_asks_for_health_says_when_nobody_answers(image: Image, service: str) -> None:
    """The exit status is what the engine goes by."""
    assert run(image, *image.config["Healthcheck"]["Test"][1:], RAGSTONE_PORT="9").returncode == 1


def test_the_platform_runs_in_its_images(
    images: Mapping[str, Image], aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents, questions and all else go the way that they go anywhere; each image finds its service in health."""

    def starting(service: str, environment: Mapping[str, str]) -> Command:
        return images[service].command(images[service].config["Entrypoint"], environment)

    with processes(aws, tmp_path, monkeypatch, starting) as running, running.client() as client:
        for service, address in running.services.items():
            asked, port = images[service].config["Healthcheck"]["Test"][1:], str(urlsplit(address).port)
            assert run(images[service], *asked, RAGSTONE_PORT=port).returncode == 0, service
        journey.go(client, tmp_path, running.tell_of_uploads)
