"""Writing to S3: whole, in parts where a stream is long, and once where an answer is lost."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws_clients import ATTEMPTS, back_off, error_code, was_retried
from chalicelib.adapters.s3_objects import Place, head
from chalicelib.errors import Unavailable

PART_BYTES = 8 * 2**20
"""What is kept in memory of a stream; with 10,000 parts at most, a blob may have 80 GB."""
READ_BYTES = 2**20
REFUSALS = frozenset({"PreconditionFailed", "NoSuchKey", "404", "412"})
"""What S3 says to a conditional write that comes too late; NoSuchKey where there is nothing to match."""
_COLLISION = "ConditionalRequestConflict"
_MARK = "write"


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of an object by writing it."""

    size_bytes: int
    etag: str
    at: datetime


def write(client: Any, place: Place, source: BinaryIO, conditions: Mapping[str, str]) -> Written:
    """
    Store what *source* gives under *conditions*: all of it or, where reading it fails, nothing.

    Raises boto3's `ClientError` for what S3 refuses.
    """
    first, rest = _next_part(source), _parts(source)
    if len(first) < PART_BYTES:
        return _write_whole(client, place, first, conditions)
    return _write_parts(client, place, chain([first], rest), conditions)


def _write_whole(client: Any, place: Place, body: bytes, conditions: Mapping[str, str]) -> Written:
    mark = str(uuid.uuid4())
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = client.put_object(**place, Body=body, Metadata={_MARK: mark}, **conditions)
            return _written(len(body), answer)
        except ClientError as error:
            if error_code(error) != _COLLISION:
                return _written(len(body), _ours(client, place, mark, error))
        back_off(attempt)
    raise Unavailable("Others write to the same blob all the time; try again.")


def _write_parts(client: Any, place: Place, pieces: Iterator[bytes], conditions: Mapping[str, str]) -> Written:
    mark = str(uuid.uuid4())
    upload = place | {"UploadId": client.create_multipart_upload(**place, Metadata={_MARK: mark})["UploadId"]}
    try:
        size, parts = _upload(client, upload, pieces)
        answer = _complete(client, upload, parts, conditions)
    except ClientError as error:
        _abort(client, upload)
        answer = _ours(client, place, mark, error)
    except BaseException:
        _abort(client, upload)
        raise
    return _written(size, answer)


def _upload(client: Any, upload: Mapping[str, str], pieces: Iterator[bytes]) -> tuple[int, Sequence[Mapping[str, Any]]]:
    size, parts = 0, []
    for number, piece in enumerate(pieces, 1):
        answer = client.upload_part(**upload, PartNumber=number, Body=piece)
        size += len(piece)
        # S3 asks for the checksum that it was given with a part.
        known = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
        parts.append({"PartNumber": number, **known})
    return size, parts


def _complete(
    client: Any, upload: Mapping[str, str], parts: Sequence[Mapping[str, Any]], conditions: Mapping[str, str]
) -> Any:
    return client.complete_multipart_upload(**upload, MultipartUpload={"Parts": list(parts)}, **conditions)


def _abort(client: Any, upload: Mapping[str, str]) -> None:
    """Take the parts away; where that fails too, the bucket's lifecycle does it."""
    with suppress(ClientError, BotoCoreError):
        client.abort_multipart_upload(**upload)


def _ours(client: Any, place: Place, mark: str, error: ClientError) -> Any:
    """Give the object if it is what this write stored, before its answer was lost; otherwise raise *error*."""
    if was_retried(error.response):
        found = head(client, place)
        if found is not None and found["Metadata"].get(_MARK) == mark:
            return found
    raise error


def _written(size_bytes: int, answer: Any) -> Written:
    at = answer.get("LastModified") or parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return Written(size_bytes, answer["ETag"].strip('"'), at)


def _parts(source: BinaryIO) -> Iterator[bytes]:
    while part := _next_part(source):
        yield part


def _next_part(source: BinaryIO) -> bytes:
    part = bytearray()
    while len(part) < PART_BYTES and (piece := source.read(min(READ_BYTES, PART_BYTES - len(part)))):
        part += piece
    return bytes(part)
