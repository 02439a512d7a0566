"""The secrets contract on real AWS Secrets Manager: ``pytest -m aws tests/aws/test_secrets.py``."""

from __future__ import annotations

import pytest

from chalicelib.adapters.secrets_manager import SecretsManager
from chalicelib.ports.secrets import Secrets
from tests.aws.account import Account
from tests.contract.secrets_contract import SecretsContract


@pytest.mark.aws
class TestSecretsManagerOnAws(SecretsContract):
    """Secrets Manager itself."""

    @pytest.fixture
    def secrets(self, account: Account) -> Secrets:
        """Give an empty store."""
        return SecretsManager(account.client("secretsmanager"), account.secrets())
