"""What S3 asks of whoever comes with a presigned URL; moto lets everybody in."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import urllib3

from chalicelib.ports.blobs import Presigned
from tests.fakes.clock import HandClock

SECRET_KEY = "test"


class Refused(Exception):
    """S3 would answer 400 or 403."""


@dataclass(frozen=True)
class S3Door:
    """Lets in what is signed, in time, and has the bytes that it says."""

    clock: HandClock

    def send(self, presigned: Presigned, content: bytes) -> None:
        """Upload *content* as an HTTP client does, which says itself how long it is."""
        headers = {**presigned.headers, "Content-Length": str(len(content))}
        self._check(presigned, headers)
        checksum = headers.get("x-amz-checksum-sha256")
        if checksum is not None and base64.b64decode(checksum) != hashlib.sha256(content).digest():
            raise Refused("BadDigest")
        self._pass_on(presigned, headers, content)

    def fetch(self, presigned: Presigned) -> bytes:
        """Download what the URL names."""
        self._check(presigned, presigned.headers)
        return self._pass_on(presigned, presigned.headers, None)

    def _check(self, presigned: Presigned, headers: Mapping[str, str]) -> None:
        url = urlsplit(presigned.url)
        query = dict(parse_qsl(url.query))
        signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if self.clock.now() > signed_at + timedelta(seconds=int(query["X-Amz-Expires"])):
            raise Refused("Request has expired")
        given = {"host": url.netloc} | {name.lower(): value for name, value in headers.items()}
        text = _canonical(presigned.method, url.path, query, given)
        if not hmac.compare_digest(_signature(query, text), query["X-Amz-Signature"]):
            raise Refused("SignatureDoesNotMatch")

    def _pass_on(self, presigned: Presigned, headers: Mapping[str, str], content: bytes | None) -> bytes:
        response = urllib3.request(presigned.method, presigned.url, headers=dict(headers), body=content)
        if response.status != 200:
            raise Refused(str(response.status))
        return response.data


def _canonical(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Write the request as it is signed: AWS, Authenticating Requests: Using Query Parameters (Signature Version 4)."""
    unsigned = sorted((name, value) for name, value in query.items() if name != "X-Amz-Signature")
    names = query["X-Amz-SignedHeaders"].split(";")
    return "\n".join(
        [
            method,
            path,
            "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in unsigned),
            *(f"{name}:{headers.get(name, '')}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )


def _signature(query: Mapping[str, str], text: str) -> str:
    _, day, region, service, end = query["X-Amz-Credential"].split("/")
    key = b"AWS4" + SECRET_KEY.encode()
    for part in (day, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    scope = f"{day}/{region}/{service}/{end}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return hmac.digest(key, f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{digest}".encode(), "sha256").hex()
