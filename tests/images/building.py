"""
The images of the Dockerfile, built by buildah (which needs root and no daemon), and commands run in them as ECS does.

``python -m tests.images.building`` makes what they stand on, and fails with the reason where that cannot be done.
They stand on the image that PYTHON_IMAGE names, or on one that is made here of Debian's own Python, for a registry of
images is not to be reached from everywhere. Everything is kept in the folder of the build, which `make clean` removes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from ast import literal_eval
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.e2e.processes import ROOT, Command

STORE = ROOT / "build" / "containers"
BASE = "localhost/ragstone-base"
DEBIAN = "trixie"
"""Its Python is 3.13, as that of the image which docs/operations.md asks for."""

# What ECS makes of the task definition: nothing can be written but /tmp, and no right can be had.
_CONTAINED = """
set -e
root=$0 user=$1 folder=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
  --bounding-set=-all env -C "$folder" "$@"
"""


class BuildError(RuntimeError):
    """A tool failed, and said so."""


@dataclass(frozen=True)
class Image:
    """An image: what it says of itself, and the *root* of its files."""

    config: Mapping[str, Any]
    root: Path

    def files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Give every file and folder, by its path in the image."""
        for folder, folders, files in os.walk(self.root):
            for name in (*folders, *files):
                path = Path(folder, name)
                yield path.relative_to(self.root), path.lstat()

    def command(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
        """Give what runs *arguments* in a container of it, with what the image sets and *environment*."""
        own = dict(one.split("=", 1) for one in self.config["Env"])
        place = str(self.root), self.config["User"], self.config["WorkingDir"]
        return ("unshare", "--mount", "sh", "-c", _CONTAINED, *place, *arguments), own | dict(environment)


def base_image() -> str:
    """Give the name of the image that the others stand on. Raises `BuildError` where none can be made."""
    if os.geteuid() != 0:
        raise BuildError("only root can mount an image's files")
    if missing := [tool for tool in ("buildah", "mmdebstrap", "unshare") if shutil.which(tool) is None]:
        raise BuildError(f"there is no {', '.join(missing)} here")
    if given := os.environ.get("PYTHON_IMAGE"):
        return given
    STORE.mkdir(parents=True, exist_ok=True)
    if BASE not in _buildah("images", "--format", "{{.Name}}"):
        files, packages = STORE / "base.tar", "python3,python-is-python3,python3-venv,ca-certificates"
        _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", DEBIAN, str(files))
        container = _buildah("from", "scratch")
        _buildah("add", container, str(files), "/")
        _buildah("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        # Not every machine lets a build run commands; that is told here, before it looks like a fault of ours.
        _buildah("run", "--isolation", "chroot", container, "--", "python", "--version")
        _buildah("commit", "--rm", container, BASE)
        files.unlink()
    return BASE


@contextmanager
def built(service: str, base: str) -> Iterator[Image]:
    """Build the image of *service* on *base*; its files are there while the context lasts. Raises `BuildError`."""
    name = f"localhost/ragstone-{service}"
    # Only the Docker format has health checks.
    told = ("--format", "docker", "--isolation", "chroot", "--layers", "--build-arg", f"PYTHON_IMAGE={base}")
    with TemporaryDirectory() as folder:
        _buildah("build", *told, *_pip_as_here(Path(folder)), "--target", service, "--tag", name, ".")
    container = _buildah("from", "--pull-never", name)
    try:
        config = json.loads(_buildah("inspect", "--type", "image", name))["Docker"]["config"]
        yield Image(config, Path(_buildah("mount", container)))
    finally:
        _buildah("rm", container)


def _pip_as_here(folder: Path) -> Iterator[str]:
    """Let pip find packages in there as it does here, behind whatever stands between; by a file in *folder*."""
    listed = _run(sys.executable, "-m", "pip", "config", "list").splitlines()
    parts = [one.partition("=") for one in listed]
    settings = {name.rpartition(".")[2]: literal_eval(value).split() for name, _, value in parts}
    lines = [f"{name} = {' '.join(words)}\n" for name, words in settings.items()]
    (folder / "pip.conf").write_text("[global]\n" + "".join(lines), encoding="utf-8")
    yield from ("--volume", f"{folder / 'pip.conf'}:/etc/pip.conf:ro")
    for word in {word for words in settings.values() for word in words}:
        # The files of an index lie beside it.
        place = word.removeprefix("file://").removesuffix("/simple")
        if place.startswith("/") and Path(place).exists():
            yield from ("--volume", f"{place}:{place}:ro")


def _buildah(*arguments: str) -> str:
    """Run buildah on images of this build alone."""
    return _run("buildah", "--root", str(STORE / "images"), "--runroot", str(STORE / "running"), *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(
            f"{' '.join(command)[:300]} ends with {done.returncode}: {(done.stdout + done.stderr)[-3_000:]}"
        )
    return done.stdout.strip()


if __name__ == "__main__":
    try:
        base_image()
    except BuildError as refused:
        sys.exit(str(refused))
