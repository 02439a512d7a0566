"""URLs of the platform itself that read or store one blob, for a while, for whoever holds them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from chalicelib.adapters.blob_limits import check_expiry, check_size
from chalicelib.errors import Forbidden
from chalicelib.ports.blobs import BlobKey, Bucket, Presigned, UploadTerms
from chalicelib.ports.clock import Clock

ROUTE = "/local-blobs"
"""Where the platform serves these URLs: ``{ROUTE}/{bucket}/{path}``."""


class BlobUrls:
    """
    Makes such URLs and tells them from forgeries.

    The signature is an HMAC-SHA256 over the method, the path and every parameter, so nothing of it can be changed.
    """

    def __init__(self, signing_key: bytes, clock: Clock, base_url: str) -> None:
        self._signing_key = signing_key
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    def upload(self, key: BlobKey, terms: UploadTerms, expires_s: int) -> Presigned:
        """See `BlobStore.presign_upload`."""
        check_size(terms.size_bytes)
        parameters = {"size": str(terms.size_bytes), "type": terms.media_type}
        if terms.sha256 is not None:
            parameters["sha256"] = terms.sha256
        return self._signed("PUT", key, parameters, expires_s, {"Content-Type": terms.media_type})

    def download(self, key: BlobKey, name: str, expires_s: int) -> Presigned:
        """See `BlobStore.presign_download`."""
        return self._signed("GET", key, {"name": name}, expires_s, {})

    def verify_upload(self, path: str, parameters: Mapping[str, str]) -> tuple[BlobKey, UploadTerms]:
        """Give what a URL made by `upload` allows; *path* is decoded, without query. Raises `Forbidden`."""
        key = self._verified("PUT", path, parameters)
        return key, UploadTerms(int(parameters["size"]), parameters["type"], parameters.get("sha256"))

    def verify_download(self, path: str, parameters: Mapping[str, str]) -> tuple[BlobKey, str]:
        """Give the blob and the attachment's name of a URL made by `download`. Raises `Forbidden`."""
        return self._verified("GET", path, parameters), parameters["name"]

    def _signed(
        self, method: str, key: BlobKey, parameters: Mapping[str, str], expires_s: int, headers: Mapping[str, str]
    ) -> Presigned:
        check_expiry(expires_s)
        expires = int(self._clock.now().timestamp()) + expires_s
        path = f"{ROUTE}/{key.bucket}/{key.path}"
        signed = {**parameters, "expires": str(expires)}
        query = urlencode({**signed, "signature": self._signature(method, path, signed)})
        return Presigned(
            method, f"{self._base_url}{quote(path)}?{query}", datetime.fromtimestamp(expires, UTC), headers
        )

    def _verified(self, method: str, path: str, parameters: Mapping[str, str]) -> BlobKey:
        signed = {name: value for name, value in parameters.items() if name != "signature"}
        given = parameters.get("signature", "")
        if not hmac.compare_digest(self._signature(method, path, signed).encode(), given.encode("utf-8", "replace")):
            raise Forbidden("This URL was not signed by this platform, or was changed; ask for a new one.")
        if self._clock.now().timestamp() > int(signed["expires"]):
            raise Forbidden(f"This URL expired {_when(signed['expires'])}; ask for a new one.")
        bucket, _, blob_path = path.removeprefix(f"{ROUTE}/").partition("/")
        return BlobKey(Bucket(bucket), blob_path)

    def _signature(self, method: str, path: str, parameters: Mapping[str, str]) -> str:
        message = json.dumps([method, path, sorted(parameters.items())])
        return hmac.new(self._signing_key, message.encode(), hashlib.sha256).hexdigest()


def _when(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("at %Y-%m-%d %H:%M:%S UTC")
