"""Which passages, and how much of a conversation, a model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.contracts.asking import Turn
from chalicelib.domain.runs import Passage
from fargate.generation.sentences import sentences

BYTES_PER_TOKEN = 3
"""English has about four, other scripts fewer: so much is rarely too little."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts by the number of their passage, best first, and what was left out, in sentences for the run."""

    texts: dict[int, str]
    left_out: Sequence[str] = ()


def pack(passages: Sequence[Passage], budget_tokens: int) -> Packed:
    """
    Give the passages that *budget_tokens* have room for, numbered from 1 in their order.

    The first that does not fit is cut after a sentence, if one fits; what comes behind it is left out.
    """
    texts: dict[int, str] = {}
    cut: str | None = None
    left = budget_tokens * BYTES_PER_TOKEN
    for number, passage in enumerate(passages, 1):
        text = text_of(passage)
        if _size(text) > left:
            if cut := _cut(text, left):
                texts[number] = cut
            break
        texts[number] = text
        left -= _size(text)
    return Packed(texts, _left_out(len(passages), len(texts), cut_at=len(texts) if cut else None))


def text_of(passage: Passage) -> str:
    """Give what a model is given of *passage*, if all of it fits."""
    return passage.context + "\n" + passage.text if passage.context else passage.text


def estimated_tokens(text: str) -> int:
    """Give about how many tokens *text* takes, rather too many than too few."""
    return -(-_size(text) // BYTES_PER_TOKEN)


def recent(conversation: Sequence[Turn], budget_tokens: int) -> list[Turn]:
    """Give the latest turns that *budget_tokens* have room for, oldest first."""
    kept: list[Turn] = []
    left = budget_tokens * BYTES_PER_TOKEN
    for turn in reversed(conversation):
        left -= _size(turn.content)
        if left < 0:
            break
        kept.insert(0, turn)
    return kept


def _cut(text: str, room: int) -> str:
    """Give as many whole sentences of *text*, from its beginning, as *room* bytes hold."""
    end = 0
    for sentence in sentences(text):
        if _size(text[: sentence.end]) > room:
            break
        end = sentence.end
    return text[:end]


def _left_out(found: int, given: int, *, cut_at: int | None) -> list[str]:
    told = []
    if cut_at is not None:
        told.append(f"Passage {cut_at} was cut after a sentence: the model is given no more.")
    if given < found:
        told.append(f"{found - given} of {found} passages were more than the model is given.")
    return told


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
