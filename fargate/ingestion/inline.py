"""The bytes of a document that came in a request or in a line of a manifest."""

from __future__ import annotations

import base64
import binascii

from chalicelib.errors import InvalidRequest, PayloadTooLarge


def inline_bytes(text: str | None, content_base64: str | None, limit: int) -> bytes:
    """Give the bytes of whichever is given. Raises `PayloadTooLarge`, and `InvalidRequest` for nonsense."""
    data = _encoded(text) if text is not None else _decoded(content_base64 or "", limit)
    if len(data) > limit:
        raise PayloadTooLarge(f"The document has {len(data)} bytes; up to {limit} go inline: use POST /v1/uploads.")
    return data


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _refused("text", "holds half of a surrogate pair, which is no character") from error


def _decoded(text: str, limit: int) -> bytes:
    if len(text) > (limit + 2) // 3 * 4:
        raise PayloadTooLarge(f"content_base64 comes to more than {limit} bytes: use POST /v1/uploads.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("content_base64", f"is not base64 as RFC 4648, section 4, has it ({error})") from error


def _refused(place: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{place} {problem}.", [{"loc": place, "msg": problem}])
