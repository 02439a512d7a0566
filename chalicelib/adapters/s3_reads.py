"""Reading from S3: from where it broke off on, and never of two contents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws_clients import ATTEMPTS, error_code
from chalicelib.adapters.s3_objects import Place
from chalicelib.errors import Unavailable

PIECE_BYTES = 2**20
_BEYOND = "InvalidRange"
_CHANGED = "PreconditionFailed"


def pieces(client: Any, place: Place, first: int, last: int | None) -> Iterator[bytes]:
    """
    Give the bytes from *first* to *last* (None: to the end) as they come; none beyond the end.

    Raises `Unavailable` when it breaks off too often, or when what is there changed after it broke off; boto3's
    `ClientError` for what S3 refuses.
    """
    asked: dict[str, Any] = dict(place)
    position = first
    for _ in range(ATTEMPTS):
        answer = _asked(client, asked, position, last)
        if answer is None:
            return
        try:
            for piece in answer["Body"].iter_chunks(PIECE_BYTES):
                position += len(piece)
                yield piece
        except BotoCoreError:
            asked["IfMatch"] = answer["ETag"]
        else:
            return
        if last is not None and position > last:
            return
    raise Unavailable(f"The blob store broke off {ATTEMPTS} times; try again.")


def _asked(client: Any, asked: dict[str, Any], position: int, last: int | None) -> Any:
    """Ask for what is left; give None where nothing is."""
    if position or last is not None:
        asked["Range"] = f"bytes={position}-{'' if last is None else last}"
    try:
        return client.get_object(**asked)
    except ClientError as error:
        if error_code(error) == _BEYOND:
            return None
        if error_code(error) == _CHANGED:
            raise Unavailable("The blob was replaced while it was read; try again.") from None
        raise
