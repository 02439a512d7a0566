"""
The model that needs no provider: it answers with sentences of the passages themselves, or not at all.

A sentence is worth the mean of two cosines with the question, its own and its passage's: the sentence alone often does
not name what it is about, the passage alone does not say where the answer is. Measured on ClapNQ with all its passages
in one index: AUROC of the best sentence for telling answerable questions from others .91, by the sentence's own cosine
.88; adding the share of the question's words that the sentence has changed neither that nor the token F1 of answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.releases import GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Passage, Usage
from chalicelib.errors import Unavailable
from chalicelib.ports.models import Embedder, Purpose
from fargate.generation.abstention import abstention
from fargate.generation.claim_words import content_words
from fargate.generation.drafts import Draft, Statement
from fargate.generation.evidence import citation
from fargate.generation.sentences import Sentence, plain, sentences

MAX_PASSAGES = 2
"""Sentences of more passages than these rarely make one answer."""
NEXT_TO_BEST = 0.8
"""A further sentence must be worth this share of the best one."""
ENOUGH_SAID = 2 / 3
"""No further sentence once those chosen have this share of the question's words: what follows is rarely the answer."""
REDUNDANT = 0.92
"""Two sentences whose cosine is higher say the same."""
MAX_CANDIDATES = 200
"""How many sentences, of the best passages first, are looked at."""

Vectors = NDArray[np.float32]
_WORD = re.compile(r"\s*\S+")


class ExtractiveAnswerer:
    """See `Answerer`. *embedders* are those that recipes name; a release's own embedder compares its sentences."""

    description = "Quotes the sentences that answer, word for word; needs no provider and no key"

    def __init__(self, embedders: Mapping[str, Embedder]) -> None:
        self._embedders = embedders

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`."""
        draft = await self._draft(question, passages, config)
        for word in _WORD.findall(draft.text):
            yield word
        yield draft

    async def decline(self, question: str, passages: Sequence[Passage], config: ReleaseConfig) -> Draft | None:
        """Give the abstention, where no sentence of *passages* is worth enough; None where one is."""
        draft = await self._draft(question, passages, config)
        return draft if draft.abstained else None

    async def _draft(self, question: str, passages: Sequence[Passage], config: ReleaseConfig) -> Draft:
        candidates = await asyncio.to_thread(_candidates, passages)
        if not candidates:
            return abstention(question, passages, Usage())
        embedder = self._embedders.get(config.recipe.embedder.name)
        if embedder is None:
            raise Unavailable(
                f"The embedder {config.recipe.embedder.name!r} does not run here; start it and ask again."
            )
        compared, usage = await _compare(question, candidates, passages, embedder)
        chosen = _choose(question, compared, config.answer)
        if not chosen:
            return abstention(question, passages, usage)
        return _answer([compared.candidates[place] for place in chosen], usage)


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: Passage
    sentence: Sentence


@dataclass(frozen=True, slots=True)
class _Compared:
    """Candidates in reading order, best passage first, with their *vectors* as rows and what each is worth."""

    candidates: Sequence[_Candidate]
    vectors: Vectors
    scores: Sequence[float]


def _candidates(passages: Sequence[Passage]) -> list[_Candidate]:
    found = (_Candidate(passage, sentence) for passage in passages for sentence in _quotable(passage))
    return list(islice(found, MAX_CANDIDATES))


def _quotable(passage: Passage) -> Sequence[Sentence]:
    found = sentences(passage.text)
    return [sentence for sentence in found if sentence.states] or found


async def _compare(
    question: str, candidates: Sequence[_Candidate], passages: Sequence[Passage], embedder: Embedder
) -> tuple[_Compared, Usage]:
    # The dense leg knows the cosine of each passage it has seen; a purely lexical search does not.
    unknown = [passage for passage in passages if passage.reasons.dense_score is None]
    texts = [candidate.sentence.shown for candidate in candidates] + [passage.text for passage in unknown]
    # Sentences are compared with the question as equals; and somebody waits for them, as for a question.
    embedded = await embedder.embed([question, *texts], Purpose.QUERY)
    asked, *said = (np.frombuffer(vector, "<f4") for vector in embedded.vectors)
    vectors = np.stack(said)
    cosines = (vectors @ asked).tolist()
    about = {passage.chunk_id: passage.reasons.dense_score or 0.0 for passage in passages}
    about |= dict(zip((passage.chunk_id for passage in unknown), cosines[len(candidates) :], strict=True))
    # Counted from what texts that have nothing to do with each other have: models differ in little else.
    unrelated = embedder.info.unrelated
    scores = [
        ((cosine + about[candidate.passage.chunk_id]) / 2 - unrelated) / (1 - unrelated)
        for candidate, cosine in zip(candidates, cosines[: len(candidates)], strict=True)
    ]
    usage = Usage(input_tokens=sum(embedded.tokens))
    return _Compared(candidates, vectors[: len(candidates)], scores), usage


def _choose(question: str, compared: _Compared, settings: GenerationSettings) -> list[int]:
    """Give the places of the sentences that answer, in reading order; none when even the best is worth too little."""
    ranked = sorted(range(len(compared.scores)), key=lambda place: (-compared.scores[place], place))
    best = compared.scores[ranked[0]]
    if best < settings.abstain_below:
        return []
    asked = frozenset(content_words(question))
    chosen: list[int] = []
    for place in ranked:
        if len(chosen) == settings.max_sentences or compared.scores[place] < best * NEXT_TO_BEST:
            break
        if chosen and _is_said(asked, [compared.candidates[other] for other in chosen]):
            break
        if _adds(compared, place, chosen):
            chosen.append(place)
    return sorted(chosen)


def _is_said(asked: Set[str], chosen: Sequence[_Candidate]) -> bool:
    said = {word for candidate in chosen for word in content_words(plain(candidate.sentence.shown))}
    return bool(asked) and len(asked & said) >= ENOUGH_SAID * len(asked)


def _adds(compared: _Compared, place: int, chosen: Sequence[int]) -> bool:
    used = {compared.candidates[other].passage.chunk_id for other in chosen}
    if len(used | {compared.candidates[place].passage.chunk_id}) > MAX_PASSAGES:
        return False
    return all(float(compared.vectors[place] @ compared.vectors[other]) <= REDUNDANT for other in chosen)


def _answer(chosen: Sequence[_Candidate], usage: Usage) -> Draft:
    return Draft(
        text=" ".join(f"{candidate.sentence.shown} [{marker}]" for marker, candidate in enumerate(chosen, 1)),
        citations=[
            citation(marker, candidate.passage, candidate.sentence.start, candidate.sentence.end)
            for marker, candidate in enumerate(chosen, 1)
        ],
        statements=[Statement(candidate.sentence.shown, (marker,)) for marker, candidate in enumerate(chosen, 1)],
        usage=usage,
    )
