"""What files add to the secrets contract: modes, several processes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pydantic import SecretBytes

from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.errors import ConfigurationError, Unavailable
from tests.unit.chalicelib.adapters.processes import together

CREATE = """
import sys
from pathlib import Path
from pydantic import SecretBytes
from chalicelib.adapters.file_secrets import FileSecrets
print("ready", flush=True)
sys.stdin.readline()
secrets = FileSecrets(Path(sys.argv[2]))
for number in range(20):
    print(secrets.create(f"secret-{number}", SecretBytes(sys.argv[1].encode())).get_secret_value().decode())
"""


def mode(path: Path) -> int:
    """Give who may do what."""
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    """The folder has mode 0700 and each file 0600, and no draft remains."""
    FileSecrets(tmp_path / "secrets").create("signing-key", SecretBytes(b"x"))

    assert mode(tmp_path / "secrets") == 0o700
    assert [(path.name, mode(path)) for path in (tmp_path / "secrets").iterdir()] == [("signing-key", 0o600)]


@pytest.mark.parametrize("open_to_others", [0o640, 0o604, 0o620, 0o666])
def test_a_secret_that_others_can_use_is_refused(tmp_path: Path, open_to_others: int) -> None:
    """The message says how to mend it, and mending it helps; the secret itself is not in the message."""
    secrets = FileSecrets(tmp_path)
    secrets.create("signing-key", SecretBytes(b"hush"))
    (tmp_path / "signing-key").chmod(open_to_others)

    with pytest.raises(ConfigurationError, match=f"chmod 600 {tmp_path}/signing-key") as raised:
        secrets.get("signing-key")
    assert "hush" not in str(raised.value)
    assert raised.value.variable == "RAGSTONE_DATA_DIR"
    with pytest.raises(ConfigurationError):
        secrets.create("signing-key", SecretBytes(b"other"))

    (tmp_path / "signing-key").chmod(0o600)
    assert secrets.get("signing-key") == SecretBytes(b"hush")


def test_processes_get_the_same_secrets(tmp_path: Path) -> None:
    """Whoever creates first, all processes go on with the same values."""
    first, *others = together(CREATE, tmp_path / "secrets")

    assert len(first) == 20
    assert all(other == first for other in others)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link in the place of a secret is refused."""
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "signing-key").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Unavailable):
        FileSecrets(tmp_path).get("signing-key")


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """The system's reason is in the message."""
    (tmp_path / "file").touch()

    with pytest.raises(Unavailable, match="secrets folder"):
        FileSecrets(tmp_path / "file" / "secrets")
