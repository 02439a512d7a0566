"""Passwords for Aurora and Amazon RDS by IAM: signed here, good for a quarter of an hour; there is none to rotate."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from chalicelib.adapters.aws_clients import LazyClient, aws_errors
from chalicelib.errors import ConfigurationError


def tokens(url: str) -> Callable[[], str]:
    """
    Give what makes a password for the user and the database of *url*, by the role of this process.

    Raises `ConfigurationError` unless the URL makes sure of the server: whoever gets a token can use it.
    """
    parts = urlsplit(url)
    if parse_qs(parts.query).get("sslmode") != ["verify-full"]:
        raise ConfigurationError(
            "RAGSTONE_POSTGRES_URL", "must say sslmode=verify-full where RAGSTONE_POSTGRES_IAM is set"
        )
    place = {
        "DBHostname": parts.hostname,
        "Port": parts.port or 5432,
        "DBUsername": unquote(parts.username or "postgres"),
    }
    signer = LazyClient("rds")

    def token() -> str:
        with aws_errors("The search database"):
            return str(signer.generate_db_auth_token(**place))

    return token
