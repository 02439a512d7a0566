"""Why something was not found: each reason there is, and nothing about what may not be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts.asking import RetrieveRequest, RetrieveResponse
from chalicelib.contracts.explanations import Explanation, ExplanationRequest, Outcome, ReturnedPassage, Subject
from chalicelib.domain.access import Principal
from chalicelib.domain.documents import DocumentStatus, Rejection
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings, Strategy
from chalicelib.errors import NotFound
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        yield opened


def ask(known: Knowledge, question: str, **fields: Any) -> RetrieveResponse:
    request = RetrieveRequest.model_validate({"question": question, **fields})
    return asyncio.run(known.retrieval().retrieve(reader(), request))


def explain(
    known: Knowledge,
    run: RetrieveResponse,
    *,
    who: Principal | None = None,
    wanted: dict[str, Any] | None = None,
    top_k: int = 1,
    asked_at: datetime | None = None,
    subject: dict[str, str] | None = None,
    document_id: str | None = None,
    chunk_id: str | None = None,
) -> Explanation:
    """Ask what became of the subject in a run, as the edge does."""
    request = ExplanationRequest(
        run_id=run.run_id,
        subject=Subject.model_validate(subject or {"document_id": document_id, "chunk_id": chunk_id}),
        release=run.release,
        question=run.searched[0].text,
        searched=run.searched,
        filter=wanted,
        top_k=top_k,
        returned=[ReturnedPassage.model_validate(one, from_attributes=True) for one in run.passages],
        asked_at=asked_at or known.clock.now(),
    )
    return asyncio.run(known.retrieval().explain(who or reader(), request))


def release(known: Knowledge, **settings: Any) -> None:
    known.release(ReleaseConfig(INDEX, 1, Recipe(), RetrievalSettings(**settings)))


def chunk_of(known: Knowledge, document_id: str, ordinal: int = 0) -> str:
    return [one for one in known.chunks.ids(known.tenant, document_id) if one.endswith(f"_{ordinal:05d}")][0]  # type: ignore[arg-type]  # noqa: RUF015


def test_what_was_returned_says_where(known: Knowledge) -> None:
    """A document by its first passage, a chunk by its own."""
    document_id = known.add("days of leave", "leave")
    run = ask(known, "days of leave")
    whole = explain(known, run, document_id=document_id)
    assert (whole.outcome, whole.rank, whole.chunk_id) == (Outcome.RETURNED, 1, run.passages[0].chunk_id)
    second = explain(known, run, chunk_id=run.passages[1].chunk_id)
    assert (second.outcome, second.rank) == (Outcome.RETURNED, 2)


def test_a_chunk_read_within_another_passage_was_returned_with_it(known: Knowledge) -> None:
    """Its neighbour was found, and brought it along."""
    release(known, expansion=Component("neighbours"), strategy=Strategy.LEXICAL)
    document_id = known.add("alpha", "beta")
    run = ask(known, "alpha")
    found = explain(known, run, chunk_id=chunk_of(known, document_id, 1))
    assert (found.outcome, found.rank) == (Outcome.RETURNED, 1)
    assert run.passages[0].chunk_id in found.reason


def test_what_stood_below_says_its_rank_and_why(known: Knowledge) -> None:
    """With the leg's ranks and scores of its best chunk."""
    known.add("days of leave")
    document_id = known.add("cars", "leave of the station")
    found = explain(known, ask(known, "days of leave", top_k=1), document_id=document_id)
    assert (found.outcome, found.rank, found.top_k) == (Outcome.RANKED_BELOW, 2, 1)
    assert found.chunk_id == chunk_of(known, document_id, 1)
    assert found.explain is not None
    assert (found.explain.dense_rank, found.explain.lexical_rank) == (2, 2)
    assert found.explain.matched_terms == ["leave"]


def test_what_the_reranker_put_below_says_both_ranks(known: Knowledge) -> None:
    """Before and after."""
    release(known, reranker=Component("route", {"route": "judge"}))
    known.gateway.relevance = lambda _query, document: -len(document)
    document_id = known.add("days of leave of all kinds")
    known.add("leave")
    run = ask(known, "days of leave of all kinds", top_k=1)
    found = explain(known, run, document_id=document_id)
    assert (found.outcome, found.rank) == (Outcome.RANKED_BELOW, 2)
    assert found.reason.startswith("It was 1 before reranking and 2 after it")


def test_what_neither_leg_brought_says_how_far_away_it_is(known: Knowledge) -> None:
    """Each leg brings one candidate; its ranks are those of a wider search."""
    release(known, candidates=1)
    known.add("days of leave")
    document_id = known.add("leave of the station")
    found = explain(known, ask(known, "days of leave", top_k=1), document_id=document_id)
    assert (found.outcome, found.candidates) == (Outcome.NOT_A_CANDIDATE, 1)
    assert "2 by meaning, 2 by words" in found.reason


def test_what_shares_no_word_says_so(known: Knowledge) -> None:
    """Where only words are searched."""
    release(known, strategy=Strategy.LEXICAL)
    known.add("days of leave")
    document_id = known.add("cars")
    assert explain(known, ask(known, "leave"), document_id=document_id).outcome is Outcome.NO_MATCH


def test_a_filter_says_that_it_kept_it_out(known: Knowledge) -> None:
    """The question's and the release's."""
    document_id = known.add("leave", metadata={"year": 2020})
    wanted = {"year": {"$gte": 2025}}
    found = explain(known, ask(known, "leave", filter=wanted), wanted=wanted, document_id=document_id)
    assert (found.outcome, "question's filter" in found.reason) == (Outcome.FILTERED_OUT, True)
    release(known, filter=wanted)
    found = explain(known, ask(known, "leave"), document_id=document_id)
    assert (found.outcome, "release's filter" in found.reason) == (Outcome.FILTERED_OUT, True)


def test_what_came_after_the_question_says_so(known: Knowledge) -> None:
    """And what is found now, though it was not then."""
    run = ask(known, "leave")
    early = known.clock.now()
    known.clock.advance(60)
    document_id = known.add("leave")
    assert explain(known, run, asked_at=early, document_id=document_id).outcome is Outcome.ADDED_LATER
    found = explain(known, run, document_id=document_id)
    assert (found.outcome, found.rank) == (Outcome.RETURNED_NOW, 1)


def test_an_old_version_is_superseded(known: Knowledge) -> None:
    """Its chunks stand in the search index still."""
    document_id = known.add("leave")
    old = chunk_of(known, document_id)
    known.republish(document_id, "cars")
    run = ask(known, "leave", strategy="lexical")
    assert explain(known, run, chunk_id=old).outcome is Outcome.SUPERSEDED


def test_another_generation_and_index_are_said(known: Knowledge) -> None:
    """The run asked one of them."""
    document_id = known.add("leave")
    run = ask(known, "cars", strategy="lexical")
    known.republish(document_id, "leave", generation=2)
    assert explain(known, run, document_id=document_id).outcome is Outcome.OTHER_GENERATION
    known.change(document_id, index="other")
    assert explain(known, run, document_id=document_id).outcome is Outcome.OTHER_INDEX


def test_a_document_without_a_searchable_version_says_its_state(known: Knowledge) -> None:
    """With the code of what failed."""
    document_id = known.add("leave")
    known.change(document_id, published=None, status=DocumentStatus.FAILED, error=Rejection("empty", "It is empty."))
    found = explain(known, ask(known, "leave"), document_id=document_id)
    assert (found.outcome, "empty" in found.reason) == (Outcome.NOT_READY, True)


@pytest.mark.parametrize("by", ["document_id", "chunk_id"])
def test_what_may_not_be_read_is_not_there(known: Knowledge, by: str) -> None:
    """Word for word; deleted, of another group, or never there."""
    secret = known.add("leave", acl=["board"])
    gone = known.add("leave")
    run = ask(known, "leave")
    known.change(gone, status=DocumentStatus.DELETED)
    said = set()
    for document_id in (secret, gone):
        subject = document_id if by == "document_id" else chunk_of(known, document_id)
        with pytest.raises(NotFound) as missing:
            explain(known, run, subject={by: subject})
        said.add(missing.value.detail.replace(subject, "…"))
    with pytest.raises(NotFound) as missing:
        explain(known, run, subject={by: "chk_never_00000"})
    said.add(missing.value.detail.replace("chk_never_00000", "…"))
    assert len(said) == 1
    assert explain(known, run, who=reader("board"), document_id=secret).outcome is not None
