"""What the failures of S3 Vectors mean to a caller of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from chalicelib.adapters.aws_clients import aws_errors, error_code
from chalicelib.errors import Misconfigured, RagError, StorageFull

_STORE = "The vector store"
NOT_FOUND, CONFLICT = "NotFoundException", "ConflictException"


@contextmanager
def errors_of(missing: RagError) -> Iterator[None]:
    """Turn what boto3 raises in the block into an error of ours; *missing* is for what does not exist."""
    with aws_errors(_STORE):
        try:
            yield
        except ClientError as error:
            code = error_code(error)
            if code == NOT_FOUND:
                raise missing from None
            if code == "ServiceQuotaExceededException":
                raise StorageFull(
                    f"{_STORE} has reached a quota of the account; an administrator can raise it."
                ) from None
            if code.startswith("Kms"):
                raise Misconfigured(f"{_STORE} cannot use its key ({code}); an administrator must see to it.") from None
            raise


@contextmanager
def tolerated(code: str) -> Iterator[None]:
    """Let the block end well where the service answers *code*."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != code:
            raise
