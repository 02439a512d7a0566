"""A last look at an answer by somebody else's rules, before anybody hears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.releases import GuardrailSettings


@dataclass(frozen=True, slots=True)
class Ruling:
    """
    What a guardrail says of a text: the *text* that may be said in its place.

    It is the same where nothing was found; with parts masked; or where it is *blocked* what the guardrail says instead.
    *reasons* name the rules that applied, never what they found.
    """

    text: str
    blocked: bool = False
    reasons: Sequence[str] = ()


class Guardrail(Protocol):
    """Judges texts by the rules that a release names."""

    async def judge(self, text: str, settings: GuardrailSettings) -> Ruling:
        """
        Judge an answer. Raises `Unavailable` when nobody answers, `Misconfigured` where the platform may not ask, and
        `InvalidRequest` for a guardrail that is not there.
        """
        ...
