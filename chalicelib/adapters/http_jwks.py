"""An issuer's public keys over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import Unavailable
from chalicelib.transport import Call, Transport

TIMEOUT_S = 5.0


class HttpJwks:
    """See `ports.jwks.JwksSource`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._transport = Transport(url, connections=1)

    def fetch(self) -> Mapping[str, Any]:
        """See `JwksSource.fetch`."""
        reply = self._transport.call(Call("GET", self._url, timeout_s=TIMEOUT_S))
        try:
            published = None if reply.failed else json.loads(reply.data)
        except ValueError:
            published = None
        if not isinstance(published, dict):
            raise Unavailable(f"{self._url} did not publish keys (status {reply.status}); see RAGSTONE_JWKS_URL.")
        return published

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
