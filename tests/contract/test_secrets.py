"""The secrets contract, over every adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.ports.secrets import Secrets
from tests.contract.secrets_contract import SecretsContract


class TestFileSecrets(SecretsContract):
    """Files."""

    @pytest.fixture
    def secrets(self, tmp_path: Path) -> Secrets:
        """Give an empty store in a new folder."""
        return FileSecrets(tmp_path / "secrets")
