"""Secrets in AWS Secrets Manager."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError
from pydantic import SecretBytes

from chalicelib.adapters.aws_clients import ATTEMPTS, aws_errors, back_off, error_code
from chalicelib.errors import InvalidRequest, Unavailable
from chalicelib.ports.secrets import NAME_PATTERN

_WHAT = "The secrets store"
_MISSING = "ResourceNotFoundException"
_TAKEN = "ResourceExistsException"


class SecretsManager:
    """
    See `ports.secrets.Secrets`. *client* is one of boto3's; the secrets' names begin with *prefix*.

    What somebody else stored as text is given in UTF-8.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def get(self, name: str) -> SecretBytes | None:
        """See `Secrets.get`."""
        secret_id = self._secret_id(name)
        with aws_errors(_WHAT):
            try:
                answer = self._client.get_secret_value(SecretId=secret_id)
            except ClientError as error:
                if error_code(error) == _MISSING:
                    return None
                raise
        return SecretBytes(answer["SecretBinary"] if "SecretBinary" in answer else answer["SecretString"].encode())

    def create(self, name: str, value: SecretBytes) -> SecretBytes:
        """See `Secrets.create`."""
        secret_id = self._secret_id(name)
        with aws_errors(_WHAT):
            try:
                self._client.create_secret(Name=secret_id, SecretBinary=value.get_secret_value())
            except ClientError as error:
                if error_code(error) != _TAKEN:
                    raise
        return self._standing(name)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _standing(self, name: str) -> SecretBytes:
        """Give what was created just now, here or elsewhere; it may take a moment to be seen."""
        for attempt in range(1, ATTEMPTS + 1):
            standing = self.get(name)
            if standing is not None:
                return standing
            back_off(attempt)
        raise Unavailable(f"The secret {name!r} was created and cannot be read yet; try again.")

    def _secret_id(self, name: str) -> str:
        if not re.fullmatch(NAME_PATTERN, name):
            raise InvalidRequest(f"{name!r} is no name for a secret: it has 1 to 64 of a-z, 0-9 and '-'.")
        return self._prefix + name
