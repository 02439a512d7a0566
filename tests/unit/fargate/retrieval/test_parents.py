"""Small chunks are searched, and the larger pieces around them are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.contracts.asking import PassageView, RetrieveRequest
from chalicelib.domain.access import EVERYONE
from chalicelib.domain.documents import DocumentStatus, Parent
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

LEAVE = ("Everybody has thirty days of leave.", "Leave is asked for in the portal.", "Leave not taken is lost.")
CARS = ("Company cars are washed on Fridays.", "Cars are lent for the days of a journey.")


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        yield opened


def add(known: Knowledge, *parents: tuple[str, ...], acl: tuple[str, ...] = (EVERYONE,)) -> DocumentId:
    """Publish a document whose chunks are grouped into parents."""
    document_id = known.add(*(child for parent in parents for child in parent), acl=acl)
    published = known.documents.get(known.tenant, document_id).published
    assert published is not None
    chunks, _ = known.chunks.page(known.tenant, document_id, published.attempt, limit=100, cursor=None)
    for size in map(len, parents):
        children, chunks = chunks[:size], chunks[size:]
        start, end, first = children[0].start, children[-1].end, children[0].chunk_id
        opening = Parent(start, end, first, known.texts[document_id][start:end])
        rest = replace(opening, text=None)
        known.chunks.put(
            known.tenant, [replace(one, parent=rest if place else opening) for place, one in enumerate(children)]
        )
    return document_id


def retrieve(known: Knowledge, question: str, *groups: str, **fields: object) -> list[PassageView]:
    request = RetrieveRequest.model_validate({"question": question, **fields})
    return asyncio.run(known.retrieval().retrieve(reader(*groups), request)).passages


def test_a_found_child_is_answered_with_its_parent(known: Knowledge) -> None:
    """Text and place are the parent's and exact, the id is the child's; the parent's first child was not found."""
    document_id = add(known, CARS, LEAVE)
    passage = retrieve(known, "portal", strategy="lexical")[0]
    assert passage.text == "\n\n".join(LEAVE)
    assert known.texts[document_id][passage.start : passage.end] == passage.text
    assert passage.chunk_id.endswith("_00003")


def test_children_of_one_parent_give_one_passage_and_leave_room_for_others(known: Knowledge) -> None:
    """It stands where its best child stands; the freed places go to what comes next."""
    add(known, LEAVE, CARS)
    other = add(known, ("Leave of absence is another matter.",))
    passages = retrieve(known, "how many days of leave has everybody", top_k=3, explain=True)
    assert passages[0].text == "\n\n".join(LEAVE)
    assert {passage.text for passage in passages} == {
        "\n\n".join(LEAVE),
        "\n\n".join(CARS),
        known.texts[other],
    }
    reasons = passages[0].explain
    assert reasons is not None
    assert reasons.dense_rank == 1
    assert [passage.score for passage in passages] == sorted((passage.score for passage in passages), reverse=True)


def test_the_search_goes_wider_when_a_few_parents_hold_all_that_was_found(known: Knowledge) -> None:
    """The legs bring two candidates each, which are of one parent."""
    known.release(ReleaseConfig(INDEX, 1, Recipe(), RetrievalSettings(candidates=2)))
    add(known, ("leave leave leave", "leave leave leave days", "leave leave", "leave leave days"))
    other = add(known, ("days and leave",))
    passages = retrieve(known, "leave", top_k=2)
    assert passages[1].document_id == other


def test_a_parent_is_read_by_those_alone_who_may_read_its_document(known: Knowledge) -> None:
    """And by nobody once the document is deleted, whatever the search index still holds."""
    document_id = add(known, LEAVE, acl=("hr",))
    assert retrieve(known, "portal") == []
    assert len(retrieve(known, "portal", "hr")) == 1
    known.change(document_id, status=DocumentStatus.DELETED)
    assert retrieve(known, "portal", "hr") == []


def test_a_child_whose_parent_is_gone_is_read_by_itself(known: Knowledge) -> None:
    """Its rows are being removed."""
    document_id = add(known, LEAVE)
    first = next(known.chunks.ids(known.tenant, document_id))
    known.chunks.delete(known.tenant, document_id, [first])
    assert [passage.text for passage in retrieve(known, "portal", strategy="lexical")] == [LEAVE[1]]
