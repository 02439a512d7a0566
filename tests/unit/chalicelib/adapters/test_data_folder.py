"""The lock on the data folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chalicelib.adapters import data_folder
from chalicelib.errors import ConfigurationError
from tests.unit.chalicelib.adapters.processes import start

HOLD = """
import sys
from pathlib import Path
from chalicelib.adapters import data_folder
with data_folder.lock(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """A new folder has mode 0700, and its full path is given."""
    with data_folder.lock(tmp_path / "new" / "data") as folder:
        assert folder == (tmp_path / "new" / "data").resolve()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    """What lies in it stays."""
    (tmp_path / "kept").touch()

    with data_folder.lock(tmp_path) as folder:
        assert (folder / "kept").exists()


def test_a_second_holder_is_refused(tmp_path: Path) -> None:
    """The message names the variable, the folder, who holds it, and the remedy; also within one process."""
    with data_folder.lock(tmp_path):
        for _ in range(2):
            with pytest.raises(ConfigurationError) as raised, data_folder.lock(tmp_path):
                pass

    assert str(raised.value) == (
        f"RAGSTONE_DATA_DIR: {tmp_path}: another Ragstone (pid {os.getpid()}) uses it; stop it or choose another folder"
    )


def test_the_folder_is_free_after_use(tmp_path: Path) -> None:
    """The lock ends with its block, by an exception too."""
    with pytest.raises(KeyError), data_folder.lock(tmp_path):
        raise KeyError

    with data_folder.lock(tmp_path):
        pass


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_the_folder_is_free_when_its_holder_ended(tmp_path: Path, end: str) -> None:
    """Another process keeps it while it lives, and no longer, even when it was killed."""
    process = start(HOLD, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    with pytest.raises(ConfigurationError, match=rf"pid {process.pid}\b"), data_folder.lock(tmp_path):
        pass

    if end == "kill":
        process.kill()
    process.communicate("end\n" if end == "exit" else None)

    with data_folder.lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file in its place is a configuration error with the system's reason."""
    (tmp_path / "file").touch()

    refused = pytest.raises(ConfigurationError, match=r"RAGSTONE_DATA_DIR: the folder .*/file cannot be used")
    with refused, data_folder.lock(tmp_path / "file"):
        pass
