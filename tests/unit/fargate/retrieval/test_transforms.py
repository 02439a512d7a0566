"""What becomes of a question before it is searched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chalicelib.contracts.asking import Turn
from chalicelib.contracts.gateway import ChatRequest
from chalicelib.domain.indexes import Component
from chalicelib.domain.releases import RetrievalSettings
from chalicelib.domain.runs import Wording
from chalicelib.errors import InvalidRequest, NotFound, RateLimited, Unavailable
from fargate.retrieval.question import Question
from fargate.retrieval.registry import Tools
from fargate.retrieval.transforms import MAX_WORDING_CHARACTERS, TRANSFORMS, Reworded
from tests.fakes.knowledge import reader
from tests.fakes.models import TalkingGateway, told

TURNS = [
    Turn(role="user", content="What is the parental leave in Norway?"),
    Turn(role="assistant", content="Twelve months."),
]
FOLLOW_UP = "Who pays for it?"
BY_RULES = "Who pays for it? parental leave norway"


def reword(name: str, gateway: TalkingGateway, *, turns: list[Turn] | None = None, **parameters: Any) -> Reworded:
    """Give what the transform *name* makes of the follow-up."""
    transform = TRANSFORMS.make(Component(name, parameters), Tools(gateway=gateway))
    question = Question(reader(), FOLLOW_UP, TURNS if turns is None else turns, "en")
    return asyncio.run(transform(question))


def test_none_leaves_a_follow_up_as_it_is() -> None:
    """A release can choose it."""
    assert reword("none", TalkingGateway()).wordings == [Wording(FOLLOW_UP)]


def test_the_default_rewords_by_rules_and_asks_no_model() -> None:
    """It needs none."""
    gateway = TalkingGateway()
    default = RetrievalSettings().transform
    assert reword(default.name, gateway, **default.parameters).wordings == [Wording(BY_RULES)]
    assert gateway.asked == []


def test_a_route_rewords_a_follow_up() -> None:
    """The model is shown the conversation as data, and its answer becomes one line."""
    gateway = TalkingGateway(reply=lambda _request: " Who pays for parental leave\n in Norway? ")
    assert reword("conversation", gateway, route="small").wordings == [
        Wording("Who pays for parental leave in Norway?")
    ]
    ((who, request),) = gateway.asked
    assert who == reader()
    assert isinstance(request, ChatRequest)
    assert request.model == "small"
    assert "assistant: Twelve months." in told(request)[1]
    assert "Norway" not in told(request)[0]


def test_a_question_without_turns_costs_no_model_call() -> None:
    """There is nothing to make of it."""
    gateway = TalkingGateway()
    assert reword("conversation", gateway, turns=[], route="small").main == FOLLOW_UP
    assert gateway.asked == []


def test_an_empty_rewording_leaves_the_question() -> None:
    """A model may say nothing."""
    assert reword("conversation", TalkingGateway(), route="small").main == FOLLOW_UP


@pytest.mark.parametrize("failure", [Unavailable("down"), RateLimited("spent", retry_after_s=1)])
def test_rules_stand_in_for_a_model_that_fails(failure: Exception) -> None:
    """What was left out is told, by the error's code."""
    reworded = reword("conversation", TalkingGateway(failure=failure), route="small")
    assert reworded.wordings == [Wording(BY_RULES)]
    (degraded,) = reworded.degraded
    assert degraded.startswith("transform conversation: route small failed (")


def test_several_wordings_are_searched_beside_the_question() -> None:
    """List marks, repetitions and empty lines of the model are dropped, and no more than asked for are kept."""
    said = (
        f"1. norwegian leave payment\n\n- norwegian leave payment\n* {BY_RULES.upper()}\n2) benefit\n{'x' * 5_000}\ny"
    )
    reworded = reword("multi_query", TalkingGateway(reply=lambda _request: said), route="small", queries=3)
    assert reworded.wordings == [
        Wording(BY_RULES),
        Wording("norwegian leave payment"),
        Wording("benefit"),
        Wording("x" * MAX_WORDING_CHARACTERS),
    ]


def test_imagined_passages_go_with_the_question() -> None:
    """Each is asked for with a seed of its own, so that they differ."""

    def reply(request: ChatRequest) -> str:
        return f"The state pays {request.seed}."

    reworded = reword("hyde", TalkingGateway(reply=reply), route="small", passages=2)
    assert reworded.wordings == [Wording(BY_RULES, ["The state pays 0.", "The state pays 1."])]


@pytest.mark.parametrize("name", ["multi_query", "hyde"])
def test_a_release_says_what_becomes_of_a_question_whose_model_fails(name: str) -> None:
    """It goes on with the question alone and tells so, or it fails."""
    gateway = TalkingGateway(failure=Unavailable("down"))
    skipped = reword(name, gateway, route="small")
    assert skipped.wordings == [Wording(BY_RULES)]
    assert skipped.degraded == [f"transform {name}: route small failed (unavailable)"]
    with pytest.raises(Unavailable):
        reword(name, gateway, route="small", on_failure="fail")


def test_a_route_that_does_not_exist_is_always_said() -> None:
    """It is the release's mistake and mends itself never."""
    with pytest.raises(NotFound):
        reword("hyde", TalkingGateway(failure=NotFound("There is no route 'small'.")), route="small")


def test_a_model_is_needed_where_the_transform_is_one() -> None:
    """A platform without a gateway says so, and without a route the parameters do not fit."""
    with pytest.raises(InvalidRequest, match="do not fit"):
        TRANSFORMS.make(Component("hyde"), Tools())
    with pytest.raises(InvalidRequest, match="gateway"):
        asyncio.run(
            TRANSFORMS.make(Component("hyde", {"route": "small"}), Tools())(Question(reader(), "Why?", (), "en"))
        )


def test_an_unknown_transform_is_refused() -> None:
    """The message names what there is."""
    with pytest.raises(InvalidRequest, match="conversation, hyde, multi_query, none"):
        TRANSFORMS.make(Component("telepathy"), Tools())
