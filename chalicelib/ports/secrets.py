"""Secrets by name."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretBytes

NAME_PATTERN = r"[a-z0-9-]{1,64}"


class Secrets(Protocol):
    """
    Where keys come from; nothing read here is ever logged.

    Names match `NAME_PATTERN`, else `InvalidRequest`. Calls raise `Unavailable` when the store does not answer.
    """

    def get(self, name: str) -> SecretBytes | None:
        """Give the secret, or None."""
        ...

    def create(self, name: str, value: SecretBytes) -> SecretBytes:
        """Store *value* unless *name* has one; give the one that stands there now. Two callers get the same."""
        ...
