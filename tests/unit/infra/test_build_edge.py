"""The Lambda package is the same whenever its files are, and is refused when it is not right."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from infra.build_edge import NEEDED, check, locked_requirements, pack


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A folder that looks like a package."""
    for name in NEEDED:
        path = tmp_path / "staged" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path / "staged"


def test_the_same_files_make_the_same_bytes(staged: Path, tmp_path: Path) -> None:
    """Times and permissions of the files do not matter, nor what pip and Python leave beside them."""
    pack(staged, tmp_path / "first.zip")
    os.utime(staged / "app.py", (1, 1))
    (staged / "app.py").chmod(0o600)
    (staged / "__pycache__").mkdir()
    (staged / "__pycache__" / "app.pyc").write_bytes(b"x")
    (staged / "RECORD").write_text("x", encoding="utf-8")
    pack(staged, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_a_good_package_passes(staged: Path, tmp_path: Path) -> None:
    """It holds what it must."""
    pack(staged, tmp_path / "edge.zip")
    check(tmp_path / "edge.zip")
    with zipfile.ZipFile(tmp_path / "edge.zip") as package:
        assert set(package.namelist()) == set(NEEDED)


def test_a_package_without_the_core_is_refused(staged: Path, tmp_path: Path) -> None:
    """What a broken link would give."""
    (staged / "chalicelib" / "edge" / "application.py").unlink()
    pack(staged, tmp_path / "edge.zip")
    with pytest.raises(SystemExit, match="application.py"):
        check(tmp_path / "edge.zip")


def test_a_package_with_something_heavy_is_refused(staged: Path, tmp_path: Path) -> None:
    """The runtime has boto3; numpy has no business at the edge."""
    (staged / "numpy").mkdir()
    (staged / "numpy" / "__init__.py").write_text("", encoding="utf-8")
    pack(staged, tmp_path / "edge.zip")
    with pytest.raises(SystemExit, match="numpy"):
        check(tmp_path / "edge.zip")


def test_every_requirement_is_locked_with_hashes() -> None:
    """What goes to AWS is what was tested, to the byte."""
    entries = [entry for entry in locked_requirements().split("\n") if "==" in entry]
    assert len(entries) >= 10
    assert locked_requirements().count("--hash=sha256:") >= len(entries)
