"""Questions to passages, over the embedded stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contracts.asking import PassageView, RetrieveRequest, RetrieveResponse, SearchRequest, Turn
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.identifiers import RunId, TenantId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings, Strategy
from chalicelib.domain.runs import RunKind
from chalicelib.errors import InvalidRequest, NotFound, Unavailable
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

LEAVE = "Everybody has thirty days of leave each year."
SICK = "Tell your manager on the first day of sickness."
CARS = "Company cars are washed on Fridays."


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        yield opened


def retrieve(known: Knowledge, question: str, who: Principal | None = None, **fields: object) -> RetrieveResponse:
    """Ask as a reader of no group, or as *who*."""
    request = RetrieveRequest.model_validate({"question": question, **fields})
    return asyncio.run(known.retrieval().retrieve(who or reader(), request))


def texts(found: RetrieveResponse) -> list[str]:
    return [passage.text for passage in found.passages]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_passage_that_answers_comes_first(known: Knowledge, strategy: Strategy) -> None:
    """With each strategy."""
    known.add(CARS)
    known.add(SICK, LEAVE)
    assert texts(retrieve(known, "How many days of leave?", strategy=strategy))[0] == LEAVE


def test_a_passage_says_where_it_comes_from(known: Knowledge) -> None:
    """Document, version, metadata as its row has them, and the exact place in the document's text."""
    document_id = known.add(SICK, LEAVE, metadata={"team": "hr"}, name="leave.md")
    passage = retrieve(known, "leave", strategy="lexical").passages[0]
    assert (passage.document_id, passage.name, passage.version) == (document_id, "leave.md", 1)
    assert passage.metadata == {"team": "hr"}
    assert known.texts[document_id][passage.start : passage.end] == passage.text == LEAVE


def test_reasons_are_given_only_when_asked_for(known: Knowledge) -> None:
    """With them a passage says its ranks, scores and matched words."""
    known.add(LEAVE)
    assert retrieve(known, "leave").passages[0].explain is None
    reasons = retrieve(known, "leave", explain=True).passages[0].explain
    assert reasons is not None
    assert (reasons.dense_rank, reasons.lexical_rank, reasons.matched_terms) == (1, 1, ["leave"])
    assert reasons.fused_score == retrieve(known, "leave").passages[0].score


def test_a_search_always_gives_reasons_and_records_nothing(known: Knowledge) -> None:
    """The service that asks stores the run."""
    known.add(LEAVE)
    release = known.releases.resolve(known.tenant, "live").release_id
    request = SearchRequest(question="leave", release=release, top_k=1)
    found = asyncio.run(known.retrieval().search(reader(), request))
    assert found.passages[0].explain is not None
    assert known.runs.list(known.tenant, limit=10, cursor=None) == ([], None)


def test_a_follow_up_is_searched_with_words_of_its_conversation(known: Knowledge) -> None:
    """It says nothing by itself; the turn before names the matter."""
    known.add(LEAVE)
    release = known.releases.resolve(known.tenant, "live").release_id
    turns = [Turn(role="user", content="How much leave is there?")]
    request = SearchRequest(question="Why?", conversation=turns, release=release, top_k=1)
    found = asyncio.run(known.retrieval().search(reader(), request))
    reasons = found.passages[0].explain
    assert reasons is not None
    assert reasons.matched_terms == ["leave"]


def test_a_retrieval_is_recorded(known: Knowledge) -> None:
    """With its release, its request and its passages, whose texts stay with the chunks."""
    known.add(LEAVE)
    found = retrieve(known, "leave", filter={"team": {"$exists": False}})
    run = known.runs.get(known.tenant, RunId(found.run_id))
    assert (run.kind, run.question, run.created_by, run.release_id) == (
        RunKind.RETRIEVE,
        "leave",
        "rita",
        found.release,
    )
    assert run.request["filter"] == {"team": {"$exists": False}}
    assert [passage.chunk_id for passage in run.passages] == [passage.chunk_id for passage in found.passages]
    assert set(found.timings_ms) == {"settle", "reword", "embed", "search", "hydrate", "shape", "total"}


def test_equal_scores_are_ordered_by_chunk_id(known: Knowledge) -> None:
    """The same text in many documents, however they were added."""
    for _ in range(5):
        known.add(LEAVE)
    found = [passage.chunk_id for passage in retrieve(known, "leave").passages]
    assert len(found) == 5
    assert found == sorted(found)


def test_a_filter_narrows_what_is_searched(known: Knowledge) -> None:
    """Beside the access list, never instead of it."""
    known.add(LEAVE, metadata={"year": 2025})
    known.add(LEAVE, metadata={"year": 2026})
    known.add(LEAVE, metadata={"year": 2026}, acl=["hr"])
    found = retrieve(known, "leave", filter={"year": {"$gte": 2026}})
    assert [passage.metadata for passage in found.passages] == [{"year": 2026}]


@pytest.mark.parametrize("wanted", [{"_acl": "hr"}, {"$or": []}, {"year": {"$near": 1}}])
def test_a_filter_that_cannot_be_is_refused_and_leaves_nothing(known: Knowledge, wanted: dict[str, object]) -> None:
    """The platform's own keys are out of reach; neither a release nor a run is stored."""
    with pytest.raises(InvalidRequest, match="filter"):
        retrieve(known, "leave", filter=wanted, top_k=3)
    assert known.runs.list(known.tenant, limit=10, cursor=None) == ([], None)


def test_top_k_is_filled_from_behind_what_may_not_be_read_any_more(known: Knowledge) -> None:
    """The legs bring three candidates each; the best twenty were deleted, and the search goes wider."""
    known.release(ReleaseConfig(INDEX, 1, Recipe(), RetrievalSettings(candidates=3)))
    gone = [known.add(LEAVE) for _ in range(20)]
    left = {known.add(f"{LEAVE} And cars.") for _ in range(3)}
    for document_id in gone:
        known.change(document_id, status=DocumentStatus.DELETED)
    found = retrieve(known, LEAVE, top_k=3)
    assert {passage.document_id for passage in found.passages} == left


def test_only_the_published_version_is_found(known: Knowledge) -> None:
    """The old version's chunks stand in the search index still."""
    document_id = known.add(LEAVE)
    known.republish(document_id, "Everybody has forty days of leave.")
    found = retrieve(known, "days of leave")
    assert texts(found) == ["Everybody has forty days of leave."]
    assert found.passages[0].version == 2


def test_a_document_published_to_another_generation_is_not_found_in_this_one(known: Knowledge) -> None:
    """Passages of two generations never mix."""
    known.republish(known.add(LEAVE), LEAVE, generation=2)
    assert texts(retrieve(known, "leave")) == []


def test_a_changed_access_list_counts_at_once(known: Knowledge) -> None:
    """Before the search index has heard of it."""
    document_id = known.add(LEAVE)
    known.change(document_id, acl=("hr",))
    assert texts(retrieve(known, "leave")) == []
    assert texts(retrieve(known, "leave", reader("hr"))) == [LEAVE]


def test_a_lexical_question_needs_no_embedder(known: Knowledge) -> None:
    """It is answered while the model is down."""
    known.add(LEAVE)
    known.embedder.failure = Unavailable("down")
    assert texts(retrieve(known, "leave", strategy="lexical")) == [LEAVE]
    with pytest.raises(Unavailable):
        retrieve(known, "leave")


def test_an_embedder_that_does_not_run_here_is_said_so(known: Knowledge) -> None:
    """The message names it."""
    known.release(ReleaseConfig(INDEX, 1, Recipe(embedder=Component("other/one"))))
    with pytest.raises(Unavailable, match="other/one"):
        retrieve(known, "leave")


def test_another_tenants_question_finds_nothing_of_this_one(known: Knowledge) -> None:
    """Its index of the same name is its own, and it has none."""
    known.add(LEAVE)
    with pytest.raises(NotFound):
        retrieve(known, "leave", reader(tenant=Tenant(TenantId("rival"))), index=INDEX)


def test_an_index_out_of_reach_is_not_found(known: Knowledge) -> None:
    """By name, by the live release, and by a release that was settled before."""
    known.add(LEAVE)
    narrowed = reader(indexes=frozenset({"other"}))
    release = known.releases.resolve(known.tenant, "live").release_id
    with pytest.raises(NotFound):
        retrieve(known, "leave", narrowed, index=INDEX)
    with pytest.raises(NotFound):
        retrieve(known, "leave", narrowed)
    search = SearchRequest(question="leave", release=release, top_k=1)
    with pytest.raises(NotFound):
        asyncio.run(known.retrieval().search(narrowed, search))


def test_a_stopword_question_still_gives_what_is_near(known: Knowledge) -> None:
    """The lexical leg brings nothing then."""
    known.add(LEAVE)
    assert texts(retrieve(known, "the of and")) == [LEAVE]


def test_components_have_schemas_and_defaults(known: Knowledge) -> None:
    """Forms are built from them; each kind has one default."""
    items = asyncio.run(known.retrieval().components()).items
    named = {(item.kind.value, item.name): item for item in items}
    assert named["fusion", "convex"].parameters["properties"]["dense_weight"]["default"] == 0.6
    assert named["fusion", "auto"].parameters["properties"]["floor"]["default"] == 0.3
    assert {key for key, item in named.items() if item.default} == {
        ("strategy", "hybrid"),
        ("transform", "conversation"),
        ("fusion", "auto"),
        ("reranker", "none"),
        ("diversity", "none"),
        ("expansion", "none"),
    }


def test_a_passage_survives_the_wire(known: Knowledge) -> None:
    """What one service hands another is what it stores."""
    known.add(LEAVE, metadata={"tags": ["a", "b"]})
    view = retrieve(known, "leave", explain=True).passages[0]
    again = PassageView.model_validate_json(view.model_dump_json()).entity()
    assert again == view.entity()
    assert again.reasons.matched_terms == ["leave"]
