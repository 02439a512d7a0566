"""A model for tests that reads: it answers with the sentence that shares most words with the question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.stop_words import STOP_WORDS

NOT_SAID = "NOT_IN_DOCUMENTS"
ENOUGH = 0.5
"""Which share of the question's words a sentence must have."""

_PASSAGE = re.compile(r"<<([0-9a-f]{16}) passage (\d+)>>\n(.*?)\n<<\1 end>>", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_STOP = STOP_WORDS["en"] | {"can", "do", "does", "have", "how", "i", "what", "when", "which", "who", "you"}


def read(body: Mapping[str, Any]) -> str:
    """Give an answer with one citation, or say that the passages do not answer, as the rules in *body* ask for."""
    asked = str(body["messages"][-1]["content"])
    question = _words(asked.rpartition("Question: ")[2])
    found = [
        (len(question & _words(sentence)) / max(len(question), 1), -int(number), sentence.strip(" -*#"))
        for _, number, text in _PASSAGE.findall(asked)
        for sentence in _SENTENCE.findall(text)
    ]
    share, place, sentence = max(found, default=(0.0, 0, ""))
    return f"{sentence} [{-place}]" if share >= ENOUGH else NOT_SAID


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in _STOP}
