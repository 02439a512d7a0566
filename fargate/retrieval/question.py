"""A question on its way through retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.contracts.asking import Turn
from chalicelib.domain.access import Principal


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the *turns* before it, oldest first, and the language of the index it is asked of."""

    asked_by: Principal
    text: str
    turns: Sequence[Turn]
    language: str
