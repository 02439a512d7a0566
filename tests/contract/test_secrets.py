"""The secrets contract, over every adapter."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.adapters.secrets_manager import SecretsManager
from chalicelib.ports.secrets import Secrets
from tests.contract.secrets_contract import SecretsContract
from tests.fakes.aws import Aws

_platforms = count()


class TestFileSecrets(SecretsContract):
    """Files."""

    @pytest.fixture
    def secrets(self, tmp_path: Path) -> Secrets:
        """Give an empty store in a new folder."""
        return FileSecrets(tmp_path / "secrets")


class TestSecretsManager(SecretsContract):
    """AWS Secrets Manager, as moto has it."""

    @pytest.fixture
    def secrets(self, aws: Aws) -> Secrets:
        """Give an empty store."""
        return SecretsManager(aws.client("secretsmanager"), f"contract-{next(_platforms)}/")
