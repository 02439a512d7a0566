"""Where the stages of a request can be read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.observability.spans import Span


class Traces(Protocol):
    """The traces of the last time, for as long as the store keeps them."""

    def trace(self, trace_id: str) -> Sequence[Span]:
        """
        Give what is known of a trace, by time of starting; nothing of one that is unknown or forgotten.

        Raises `Unavailable` when the store does not answer.
        """
        ...
