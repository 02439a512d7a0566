"""Questions through the API: answers, their release, their evidence, and the runs they leave."""

from __future__ import annotations

import pytest

from chalicelib.client.api import Client
from chalicelib.contracts.asking import (
    Answer,
    DoneEvent,
    PassagesEvent,
    QueryRequest,
    RetrieveRequest,
    RunEvent,
    TokenEvent,
)
from chalicelib.contracts.explanations import Outcome, Subject
from chalicelib.contracts.traces import SpanView
from chalicelib.domain.releases import Strategy
from chalicelib.domain.runs import RunKind, Verdict
from chalicelib.errors import InvalidRequest, NotFound
from fargate.standalone.first_start import SAMPLE_QUESTION
from tests.fakes.serving import eventually

STRANGE_QUESTION = "Which violin concertos did the composer write during his years in Leipzig?"


def test_a_quote_stands_in_its_chunk_word_for_word(client: Client) -> None:
    """Offsets count characters of the document's text, which its chunks cover."""
    answer = client.query(QueryRequest(question=SAMPLE_QUESTION))
    for citation in answer.citations:
        chunk = next(one for one in client.chunks(citation.document_id) if one.chunk_id == citation.chunk_id)
        within = slice(citation.start - chunk.start, citation.end - chunk.start)
        assert chunk.text[within] == citation.quote


def test_every_claim_of_an_extracted_answer_is_supported(client: Client) -> None:
    """Each names the markers of its citations."""
    answer = client.query(QueryRequest(question=SAMPLE_QUESTION))
    assert answer.claims
    assert {claim.verdict for claim in answer.claims} == {Verdict.SUPPORTED}
    assert {marker for claim in answer.claims for marker in claim.citations} == {one.marker for one in answer.citations}


def test_a_question_the_documents_do_not_answer_is_declined(client: Client) -> None:
    """No citations, no claims."""
    answer = client.query(QueryRequest(question=STRANGE_QUESTION))
    assert answer.abstained
    assert (answer.citations, answer.claims) == ([], [])


def test_the_same_release_gives_the_same_answer(client: Client) -> None:
    """An answer can be repeated by naming what made it."""
    first = client.query(QueryRequest(question=SAMPLE_QUESTION))
    again = client.query(QueryRequest(question=SAMPLE_QUESTION, release=first.release))
    assert (again.answer, again.release, again.citations) == (first.answer, first.release, first.citations)


def test_an_overridden_setting_makes_a_release_of_its_own(client: Client) -> None:
    """It is stored, so that the question can be repeated exactly."""
    live = client.query(QueryRequest(question=SAMPLE_QUESTION)).release
    found = client.retrieve(RetrieveRequest(question=SAMPLE_QUESTION, strategy=Strategy.LEXICAL, top_k=3))
    again = client.retrieve(RetrieveRequest(question=SAMPLE_QUESTION, release=found.release))
    assert found.release != live
    assert [one.chunk_id for one in again.passages] == [one.chunk_id for one in found.passages]
    assert len(again.passages) == 3


@pytest.mark.parametrize("strategy", list(Strategy))
def test_reasons_belong_to_the_strategy(client: Client, strategy: Strategy) -> None:
    """Best first; each passage says which leg brought it."""
    found = client.retrieve(RetrieveRequest(question=SAMPLE_QUESTION, strategy=strategy, explain=True, top_k=5))
    scores = [passage.score for passage in found.passages]
    assert scores == sorted(scores, reverse=True)
    for passage in found.passages:
        assert passage.explain is not None
        assert (passage.explain.dense_rank is None) <= (strategy is not Strategy.DENSE)
        assert (passage.explain.lexical_rank is None) <= (strategy is not Strategy.LEXICAL)


def test_a_metadata_filter_holds_for_every_passage(client: Client) -> None:
    """The sample's documents bear the guide they come from."""
    request = RetrieveRequest(
        question="How long may a function run?", filter={"guide": {"$in": ["aws-lambda-developer-guide"]}}
    )
    found = client.retrieve(request)
    assert {passage.metadata["guide"] for passage in found.passages} == {"aws-lambda-developer-guide"}


def test_a_stream_says_the_same_as_the_answer_and_ends_once(client: Client) -> None:
    """Run, passages, tokens, citations, claims, done."""
    events = list(client.query_stream(QueryRequest(question=SAMPLE_QUESTION)))
    done = events[-1]
    assert isinstance(done, DoneEvent)
    assert isinstance(events[0], RunEvent)
    assert isinstance(events[1], PassagesEvent)
    assert [event.event for event in events[-3:]] == ["citations", "claims", "done"]
    assert "".join(event.text for event in events if isinstance(event, TokenEvent)) == done.answer.answer
    assert done.answer.answer == client.query(QueryRequest(question=SAMPLE_QUESTION)).answer
    assert done.answer.run_id == events[0].run_id


def test_a_refused_stream_is_answered_with_its_status(client: Client) -> None:
    """Before the first event there is still room for a status."""
    with pytest.raises(NotFound):
        list(client.query_stream(QueryRequest(question=SAMPLE_QUESTION, index="nowhere")))


def test_a_run_keeps_what_its_answer_was_made_of(client: Client) -> None:
    """By id, and first in the list."""
    answer = client.query(QueryRequest(question=SAMPLE_QUESTION, user="somebody"))
    run = client.run(answer.run_id)
    assert next(iter(client.runs())).run_id == answer.run_id
    assert (run.kind, run.question, run.answer, run.release) == (
        RunKind.QUERY, SAMPLE_QUESTION, answer.answer, answer.release,
    )  # fmt: skip
    assert run.citations == answer.citations
    assert all(passage.text for passage in run.passages)
    assert run.user == "somebody"


def test_a_run_shows_the_stages_it_went_through(client: Client) -> None:
    """From the API's edge down to the search, each below the one that asked for it."""
    run_id = client.query(QueryRequest(question=SAMPLE_QUESTION)).run_id
    # The first stage ends after its answer has left.
    found = eventually(lambda: _stages(client, run_id) if "edge.request" in _stages(client, run_id) else {})
    assert found["generation.retrieve"].parent_id == found["edge.request"].span_id
    assert found["retrieval.settle"].parent_id == found["generation.retrieve"].span_id
    assert found["edge.request"].duration_ms > found["generation.retrieve"].duration_ms > 0


def test_what_was_not_found_says_why(client: Client) -> None:
    """Another document of the sample, which fewer passages leave no room for."""
    wide = client.retrieve(RetrieveRequest(question=SAMPLE_QUESTION, top_k=50))
    narrow = client.retrieve(RetrieveRequest(question=SAMPLE_QUESTION, top_k=1))
    last = wide.passages[-1]
    found = client.explain(narrow.run_id, Subject(chunk_id=last.chunk_id))
    assert (found.outcome, found.rank, found.document_id) == (Outcome.RANKED_BELOW, 50, last.document_id)
    assert client.explain(wide.run_id, Subject(chunk_id=last.chunk_id)).outcome is Outcome.RETURNED
    with pytest.raises(NotFound):
        client.explain(wide.run_id, Subject(document_id="doc_that_never_was"))


def test_a_retrieve_run_shows_its_passages_again(client: Client) -> None:
    """Their texts are read from the chunks."""
    found = client.retrieve(RetrieveRequest(question=SAMPLE_QUESTION, top_k=2))
    assert [one.text for one in client.run(found.run_id).passages] == [one.text for one in found.passages]


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: RetrieveRequest(question=SAMPLE_QUESTION, filter={"$where": "1"}),
        lambda: RetrieveRequest(question=SAMPLE_QUESTION, filter={"_acl": "hr"}),
        lambda: RetrieveRequest.model_validate(
            {"question": SAMPLE_QUESTION, "retrieval": {"reranker": {"name": "telepathy"}}}
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(client: Client, request_of: object) -> None:
    """Malformed filters, the platform's own keys, and a reranker that does not exist."""
    assert callable(request_of)
    with pytest.raises(InvalidRequest):
        client.retrieve(request_of())


def test_an_unknown_index_or_release_is_not_found(client: Client) -> None:
    """Both in the words of the request."""
    with pytest.raises(NotFound, match="nowhere"):
        client.query(QueryRequest(question=SAMPLE_QUESTION, index="nowhere"))
    with pytest.raises(NotFound):
        client.query(QueryRequest(question=SAMPLE_QUESTION, release="rel_unknown"))


def test_an_answer_counts_what_it_used_and_how_long_it_took(client: Client) -> None:
    """The local models cost nothing, and say so rather than leave it out."""
    answer: Answer = client.query(QueryRequest(question=SAMPLE_QUESTION))
    assert answer.usage.cost_usd_micros == 0
    assert not answer.usage.unpriced
    assert answer.usage.input_tokens > 0
    assert answer.timings_ms["total"] > 0


def _stages(client: Client, run_id: str) -> dict[str, SpanView]:
    return {one.name: one for one in client.run_trace(run_id).spans}
