"""What a model hands over: the text of an answer with the evidence it claims, not yet checked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.domain.releases import ReleaseConfig
from chalicelib.domain.runs import Citation, Ending, Passage, Sent, Usage


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing an answer says; *citations* are markers."""

    text: str
    citations: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole answer; one that *abstained* has neither citations nor statements."""

    text: str
    citations: Sequence[Citation] = ()
    statements: Sequence[Statement] = ()
    abstained: bool = False
    usage: Usage = field(default_factory=Usage)
    nearest: Sequence[Citation] = ()
    """Where it abstained: the best places of the passages that came nearest."""
    model: str | None = None
    """The deployment that answered, where a route has several."""
    told: Sequence[str] = ()
    """What was left out on the way, in sentences for the run."""
    sent: Sent | None = None
    """What a model was sent."""
    ended: Ending = Ending.STOP


class Answerer(Protocol):
    """A model that answers from passages."""

    @property
    def description(self) -> str:
        """Say in a line what it does, for those who choose a model."""
        ...

    def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """
        Give the text in pieces as they are ready, and last the `Draft`, whose text is the pieces put together.

        *passages* come best first. Raises `Unavailable` or `DeadlineExceeded` when something behind it does not answer.
        """
        ...
