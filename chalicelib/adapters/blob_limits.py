"""What every blob store refuses before it looks at a blob."""

from __future__ import annotations

from chalicelib.errors import InvalidRequest
from chalicelib.ports.blobs import MAX_PRESIGN_S

MAX_PATH_BYTES = 1_024


def path_parts(path: str) -> list[str]:
    """Give the parts of *path*. Raises `InvalidRequest` for an empty, ``.`` or ``..`` part, a NUL, or one too long."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"The blob path {path!a} is not UTF-8.") from error
    if size > MAX_PATH_BYTES or "\0" in path:
        raise InvalidRequest(f"The blob path {path[:80]!r} is over {MAX_PATH_BYTES} bytes long or holds a NUL.")
    parts = path.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise InvalidRequest(f"The blob path {path!r} has an empty, '.' or '..' part.")
    return parts


def check_range(first: int, last: int | None) -> None:
    """Raise `InvalidRequest` unless the bytes from *first* to *last* are counted from the beginning, forwards."""
    if first < 0 or (last is not None and last < first):
        raise InvalidRequest(f"The range {first} to {last} is not one of bytes counted from 0.")


def check_size(size_bytes: int) -> None:
    """Raise `InvalidRequest` for an upload of less than nothing."""
    if size_bytes < 0:
        raise InvalidRequest(f"size_bytes {size_bytes} is negative.")


def check_expiry(expires_s: int) -> None:
    """Raise `InvalidRequest` unless a presigned URL may live so long."""
    if not 1 <= expires_s <= MAX_PRESIGN_S:
        raise InvalidRequest(f"expires_s {expires_s} is outside 1 to {MAX_PRESIGN_S}.")
