"""Files from disk to presigned URLs, never whole in memory."""

from __future__ import annotations

import hashlib
import mimetypes
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.contracts.documents import UploadFile, UploadView
from chalicelib.contracts.ingestions import ImportView
from chalicelib.transport import Call

TIMEOUT_S = 3_600.0

_PIECE_BYTES = 256 * 1024


def described(path: Path, **fields: Any) -> UploadFile:
    """Describe the file at *path* for the platform, with its size and hash; *fields* are `UploadFile`'s."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    said = {"name": path.name, "media_type": mimetypes.guess_type(path.name)[0]} | fields
    return UploadFile(size_bytes=path.stat().st_size, sha256=digest, **said)


def upload_call(upload: UploadView | ImportView, path: Path) -> Call:
    """Give the call that sends the file at *path* where *upload* says."""
    headers = dict(upload.headers)
    if upload.method == "PUT":
        headers["Content-Length"] = str(path.stat().st_size)
        return Call("PUT", upload.url, _pieces(path), headers, TIMEOUT_S)
    before, after, boundary = _form(upload, path.name)
    headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    headers["Content-Length"] = str(len(before) + path.stat().st_size + len(after))
    return Call("POST", upload.url, _framed(before, path, after), headers, TIMEOUT_S)


def _form(upload: UploadView | ImportView, name: str) -> tuple[bytes, bytes, str]:
    """Give what stands before and after the file in a form; S3 wants the file last."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in upload.fields.items()
    ]
    safe = name.replace('"', "_").replace("\r", "_").replace("\n", "_")
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{safe}"\r\n\r\n')
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode(), boundary


def _framed(before: bytes, path: Path, after: bytes) -> Iterator[bytes]:
    yield before
    yield from _pieces(path)
    yield after


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
