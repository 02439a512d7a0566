"""The Lambda package is the same whenever its files are, answers by itself, and is refused when it is not right."""

from __future__ import annotations

import os
import platform
import re
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from infra import build_edge
from infra.build_edge import CHALICE_MODULES, NEEDED, ROOT, check, install, locked_requirements, pack, stage


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A folder that looks like a package."""
    for name in NEEDED:
        write(tmp_path / "staged" / name, f"# {name}\n")
    return tmp_path / "staged"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def packed(staged: Path) -> Path:
    package = staged.parent / "edge.zip"
    pack(staged, package)
    return package


def link_requirements(folder: Path) -> None:
    """Give *folder* what app/requirements.txt names, as installed beside the tests, and nothing else."""
    for name in re.findall(r"^([a-z0-9-]+)==", locked_requirements(), re.MULTILINE):
        installed = distribution(name)
        tops = {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            (folder / top).symlink_to(Path(str(installed.locate_file(top))))


def test_the_same_files_make_the_same_bytes(staged: Path) -> None:
    """Times and permissions of the files do not matter, nor what pip and Python leave beside them."""
    first = packed(staged).read_bytes()
    os.utime(staged / "app.py", (1, 1))
    (staged / "app.py").chmod(0o600)
    for left_behind in ("__pycache__/app.pyc", "bin/command", "some-1.0.dist-info/RECORD"):
        write(staged / left_behind, "x")
    assert packed(staged).read_bytes() == first


def test_every_file_of_the_package_can_be_read_by_the_lambda(staged: Path) -> None:
    """The Lambda runs as another user than the one who built it."""
    (staged / "app.py").chmod(0o600)
    with zipfile.ZipFile(packed(staged)) as opened:
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {0o100644}


def test_a_good_package_passes(staged: Path) -> None:
    """It holds what it must."""
    package = packed(staged)
    check(package)
    with zipfile.ZipFile(package) as opened:
        assert set(opened.namelist()) == set(NEEDED)


def test_a_package_without_the_core_is_refused(staged: Path) -> None:
    """What a broken link would give."""
    (staged / "chalicelib" / "edge" / "application.py").unlink()
    with pytest.raises(SystemExit, match=r"lacks .*application\.py"):
        check(packed(staged))


@pytest.mark.parametrize("name", ["numpy/__init__.py", "boto3/session.py", "httpx.py", "chalice/local.py"])
def test_a_package_with_something_heavy_is_refused(staged: Path, name: str) -> None:
    """The runtime has boto3, numpy has no business at the edge, and Chalice's tools stay at home."""
    write(staged / name, "")
    with pytest.raises(SystemExit, match=f"must not hold .*{re.escape(name)}"):
        check(packed(staged))


def test_a_package_that_is_too_large_is_refused(staged: Path) -> None:
    """What is large starts late."""
    (staged / "large.so").write_bytes(os.urandom(build_edge.MAX_BYTES))
    with pytest.raises(SystemExit, match="at most 10,000,000 are allowed"):
        check(packed(staged))


def test_every_requirement_is_locked_with_hashes() -> None:
    """What goes to AWS is what was tested, to the byte."""
    entries = re.split(r"\n(?=\S)", locked_requirements().strip())
    assert len(entries) >= 10
    assert all("--hash=sha256:" in entry for entry in entries)


def test_wheels_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    """No traceback: a sentence, and what pip said."""
    locked = f"ragstone-has-no-such-wheel==1.0 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(SystemExit, match=r"could not fetch the wheels of app/requirements\.txt:(?s:.*)no-such-wheel"):
        install(locked, tmp_path, ["--no-index"])


def test_the_staged_app_answers_with_its_requirements_alone(tmp_path: Path) -> None:
    """No site-packages, no checkout on the path: whatever else it imported, heavy or not, would be missing."""
    stage(tmp_path)
    link_requirements(tmp_path)
    build_edge.answer_one_request(tmp_path, sys.executable)


def test_an_app_that_misses_a_requirement_is_refused(tmp_path: Path) -> None:
    """The answer says what it misses."""
    stage(tmp_path)
    with pytest.raises(SystemExit, match=r"does not answer GET /health:(?s:.*)No module named"):
        build_edge.answer_one_request(tmp_path, sys.executable)


def test_the_stage_holds_the_whole_core_and_nothing_else_of_the_checkout(tmp_path: Path) -> None:
    """Files in place of the link, no caches, and of Chalice what runs in a Lambda."""
    stage(tmp_path)
    core = {path.relative_to(ROOT).as_posix() for path in (ROOT / "chalicelib").rglob("*.py")}
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"app.py", *CHALICE_MODULES, *core, build_edge.WIDGET}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_a_python_is_found_by_what_it_is() -> None:
    """This one, described as it is, and none where nothing fits."""
    here = f"{sys.version_info.major}.{sys.version_info.minor} {platform.system()} {platform.machine()}"
    assert build_edge.find_python(here) == sys.executable
    assert build_edge.find_python("2.0 Linux x86_64") is None
