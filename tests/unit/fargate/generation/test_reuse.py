"""What must be the same for an answer to be given again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.asking import QueryRequest, Turn
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import ReleaseId, TenantId
from chalicelib.domain.runs import Reasons
from fargate.generation.reuse import fingerprint
from tests.fakes.passages import passage

RELEASE = ReleaseId("rel_1")
ASKER = Principal(Tenant(TenantId("acme")), "user_1", frozenset({Role.READER}), frozenset({"hr"}))
REQUEST = QueryRequest(question="How many days?", conversation=[Turn(role="user", content="Hello")])
FOUND = (passage("Thirty days."), passage("Or forty.", 2))


def named(
    principal: Principal = ASKER,
    request: QueryRequest = REQUEST,
    release: ReleaseId = RELEASE,
    found: Any = FOUND,
    link_hosts: tuple[str, ...] = (),
) -> str:
    """Name the question that the tests ask, but for what they change."""
    return fingerprint(principal, request, release, found, link_hosts)


@pytest.mark.parametrize(
    "changed",
    [
        {"principal": replace(ASKER, tenant=Tenant(TenantId("globex")))},
        {"principal": replace(ASKER, groups=frozenset({"hr", "finance"}))},
        {"principal": replace(ASKER, groups=frozenset())},
        {"principal": replace(ASKER, roles=frozenset({Role.ADMIN}))},
        {"principal": replace(ASKER, indexes=frozenset({"handbook"}))},
        {"release": ReleaseId("rel_2")},
        {"request": REQUEST.model_copy(update={"question": "How many weeks?"})},
        {"request": REQUEST.model_copy(update={"conversation": []})},
        {"request": REQUEST.model_copy(update={"filter": {"team": "a"}})},
        {"link_hosts": ("docs.example.com",)},
        {"found": FOUND[:1]},
        {"found": FOUND[::-1]},
        {"found": (replace(FOUND[0], version=2), FOUND[1])},
        {"found": (replace(FOUND[0], text="Ten days."), FOUND[1])},
        {"found": (replace(FOUND[0], name="another name"), FOUND[1])},
        {"found": (replace(FOUND[0], metadata={"year": 2026}), FOUND[1])},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_changes_makes_another_question(changed: dict[str, Any]) -> None:
    """Neither tenant, permissions, release, wording, conversation, filter nor passages may differ."""
    assert named(**changed) != named()


def test_scores_and_the_asker_in_person_make_no_difference() -> None:
    """People with the same permissions share an answer; a score moves with documents that are not in it."""
    colleague = replace(ASKER, subject="user_2", token="another")
    moved = tuple(replace(one, score=0.9, reasons=Reasons()) for one in FOUND)
    assert named(principal=colleague, found=moved) == named()


@given(st.frozensets(st.text(max_size=4)), st.frozensets(st.text(max_size=4)))
def test_people_of_different_groups_never_share(mine: frozenset[str], theirs: frozenset[str]) -> None:
    """However groups are called, two sets of them make the same question only where they are equal."""
    same = named(principal=replace(ASKER, groups=mine)) == named(principal=replace(ASKER, groups=theirs))
    assert same == (mine == theirs)
