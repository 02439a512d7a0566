"""The public keys of whoever issues user tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class JwksSource(Protocol):
    """Where an issuer publishes its keys. Safe from any thread."""

    def fetch(self) -> Mapping[str, Any]:
        """Give the JSON Web Key Set as it is published now (RFC 7517). Raises `Unavailable`."""
        ...
