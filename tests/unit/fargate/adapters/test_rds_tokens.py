"""Passwords by IAM: for one user of one database, by the role of the process, and for nobody else to see."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from chalicelib.errors import ConfigurationError, Misconfigured
from fargate.adapters.rds_tokens import tokens

URL = "postgresql://ragstone@db.example:5433/ragstone?sslmode=verify-full&sslrootcert=rds"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have those of a role, in a region."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def test_a_token_lets_one_user_into_one_database_for_a_quarter_of_an_hour() -> None:
    """Signed here, without asking anybody."""
    place, _, query = tokens(URL)().partition("?")
    said = {name: values[0] for name, values in parse_qs(query).items()}
    assert place == "db.example:5433/"
    assert (said["Action"], said["DBUser"], said["X-Amz-Expires"]) == ("connect", "ragstone", "900")
    assert said["X-Amz-Credential"].startswith("AKIAEXAMPLE/")
    assert said["X-Amz-Credential"].endswith("/eu-central-1/rds-db/aws4_request")


@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslmode=verify-ca&sslrootcert=rds"])
def test_a_token_is_made_for_a_server_that_proves_its_name_alone(query: str) -> None:
    """Whoever is sent one could use it."""
    with pytest.raises(ConfigurationError, match="RAGSTONE_POSTGRES_URL: must say sslmode=verify-full"):
        tokens(f"postgresql://ragstone@db.example/ragstone{query}")


def test_without_credentials_there_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person must see to it."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(Misconfigured, match="NoCredentialsError"):
        tokens(URL)()
