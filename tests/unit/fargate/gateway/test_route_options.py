"""Routes that degrade, keep calls together or give answers again, and how their deployments are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.gateway import ChatChunk, ChatMessage, ChatRequest, ChatResponse, RerankRequest
from chalicelib.domain.access import Principal, Role
from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.errors import BudgetExceeded, Forbidden, RagError
from tests.fakes.gateway import Gateway, gateway, route
from tests.fakes.identities import principal
from tests.fakes.openai_provider import OpenAiProvider, openai_provider

ValueT = TypeVar("ValueT")

ADA = principal(role=Role.ENGINEER)
ROUTES = [
    route("small", "direct/ok"),
    route("large", "direct/large", degrade_to="small"),
    route("kept-large", "direct/large", degrade_to="small", cache_ttl_s=60),
    route("fails-then-poor", "direct/server_error", degrade_to="small", retries=0),
    route("kept", "direct/ok", cache_ttl_s=60),
    route("kept-vectors", "direct/ok", kind=RouteKind.EMBEDDING, cache_ttl_s=60),
    route("kept-order", "direct/ok", kind=RouteKind.RERANK, cache_ttl_s=60),
    route("kept-failing", "direct/cut", cache_ttl_s=60, retries=0),
    Route("sticky", RouteKind.CHAT, [Deployment("direct/ok"), Deployment("direct/large")], sticky=True),
    route("mixed", "direct/ok", "direct/server_error", "nowhere/ok"),
]


@dataclass
class World:
    """A gateway and its provider."""

    gateway: Gateway
    provider: OpenAiProvider

    def run(self, ask: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Ask on a loop of its own."""

        async def whole() -> ValueT:
            try:
                return await ask()
            finally:
                await self.gateway.direct.close()

        return asyncio.run(whole())

    def chat(self, name: str, text: str = "one two", who: Principal = ADA, **fields: Any) -> ChatResponse:
        """Ask a route."""
        request = ChatRequest.model_validate(
            {"model": name, "messages": [{"role": "user", "content": text}], "max_tokens": 9, **fields}
        )
        return self.run(lambda: self.gateway.service.chat(who, request))

    def stream(self, name: str, text: str = "one two") -> list[ChatChunk]:
        """Ask a route for a stream."""
        request = ChatRequest(model=name, messages=[ChatMessage(role="user", content=text)], stream=True)

        async def collect() -> list[ChatChunk]:
            async with aclosing(self.gateway.service.chat_stream(ADA, request)) as chunks:
                return [chunk async for chunk in chunks]

        return self.run(collect)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with openai_provider() as (url, provider), gateway(tmp_path, url, ROUTES) as opened:
        yield World(opened, provider)


def test_where_no_budget_has_room_the_cheaper_route_answers(world: World) -> None:
    """It is told who answered, and the books say which route was charged."""
    world.gateway.meter.poor = frozenset({"large"})
    assert world.chat("large").model == "direct/ok"
    assert [call.route for call in world.gateway.meter.reserved] == ["small"]
    assert "".join(chunk.text for chunk in world.stream("large")) == "You said: one two"
    assert world.chat("small").model == "direct/ok"


def test_where_no_budget_has_room_for_either_the_call_is_refused(world: World) -> None:
    """With the budget of the cheaper one; nothing was sent."""
    world.gateway.meter.poor = frozenset({"large", "small"})
    with pytest.raises(BudgetExceeded, match="small"):
        world.chat("large")
    assert world.provider.received == []


def test_a_route_that_has_room_is_not_degraded(world: World) -> None:
    """Nor is one whose deployment fails."""
    assert world.chat("large").model == "direct/large"
    with pytest.raises(RagError):
        world.chat("fails-then-poor")


def test_a_route_gives_the_same_request_the_same_answer(world: World) -> None:
    """At no cost, under an id of its own, with nothing sent and nothing in the books."""
    first, again = world.chat("kept"), world.chat("kept", user="somebody")
    assert again.text == first.text
    assert again.id != first.id
    assert (first.usage.cost_usd_micros > 0, first.usage.repeated) == (True, False)
    assert (again.usage.cost_usd_micros, again.usage.repeated) == (0, True)
    assert len(world.provider.received) == len(world.gateway.meter.reserved) == 1


@pytest.mark.parametrize(
    ("text", "fields"),
    [("another", {}), ("one two", {"temperature": 0.5}), ("one two", {"max_tokens": 8}), ("one two", {"seed": 1})],
)
def test_another_request_is_asked(world: World, text: str, fields: dict[str, Any]) -> None:
    """Whatever an answer depends on."""
    world.chat("kept")
    assert not world.chat("kept", text, **fields).usage.repeated


def test_another_tenant_is_never_given_it(world: World) -> None:
    """Though it has the same route and asks the same."""
    world.chat("kept")
    assert not world.chat("kept", who=principal("rival")).usage.repeated


def test_a_stream_is_given_again_as_a_stream(world: World) -> None:
    """In the same pieces; what broke off is not."""
    first, again = world.stream("kept"), world.stream("kept")
    assert [chunk.choices for chunk in again] == [chunk.choices for chunk in first]
    assert (first[-1].usage is not None, again[-1].usage is not None and again[-1].usage.repeated) == (True, True)
    for _ in range(2):
        with pytest.raises(RagError):
            world.stream("kept-failing")
    assert len(world.provider.received) == 3


def test_what_a_cheaper_route_answered_is_not_given_again(world: World) -> None:
    """As soon as there is room, the route answers itself."""
    world.gateway.meter.poor = frozenset({"kept-large"})
    assert world.chat("kept-large").model == world.stream("kept-large")[0].model == "direct/ok"
    world.gateway.meter.poor = frozenset()
    assert world.chat("kept-large").model == world.stream("kept-large")[0].model == "direct/large"


def test_vectors_and_orders_are_given_again(world: World) -> None:
    """As answers are."""
    embed = EmbeddingsRequest(model="kept-vectors", input=["a"])
    rerank = RerankRequest(model="kept-order", query="a", documents=["a", "b"])
    service = world.gateway.service
    vectors = [world.run(lambda: service.embed(ADA, embed)) for _ in range(2)]
    orders = [world.run(lambda: service.rerank(ADA, rerank)) for _ in range(2)]
    assert vectors[0].data == vectors[1].data
    assert orders[0].results == orders[1].results
    assert [one.usage.repeated for one in vectors] == [one.usage.repeated for one in orders] == [False, True]


@pytest.mark.parametrize("field", ["prompt_cache_key", "user"])
def test_what_belongs_together_goes_the_same_way(world: World, field: str) -> None:
    """Of twenty conversations some go to each deployment, each always to the same."""
    calls: list[dict[str, Any]] = [{field: str(one)} for one in range(20)]
    went = {one[field]: {world.chat("sticky", **one).model for _ in range(3)} for one in calls}
    assert all(len(models) == 1 for models in went.values())
    assert set.union(*went.values()) == {"direct/ok", "direct/large"}


def test_a_system_message_belongs_together_as_well(world: World) -> None:
    """Where nothing else is said; without one, each call is drawn."""
    told = [{"role": "system", "content": "Be brief."}]
    texts = ("a", "b", "c")
    models = {world.chat("sticky", messages=[*told, {"role": "user", "content": text}]).model for text in texts}
    assert len(models) == 1


def test_how_deployments_are_is_told_without_a_call(world: World) -> None:
    """What was called lately, what rests, and what is not configured."""
    world.chat("mixed")
    for _ in range(3):
        with pytest.raises(RagError):
            world.chat("fails-then-poor")
    before = len(world.provider.received)
    state = world.run(lambda: world.gateway.service.health(ADA, "mixed"))
    good, bad, nowhere = state.deployments
    assert (good.circuit, good.calls, good.failed_calls, good.configured) == ("closed", 1, 0, True)
    assert good.p50_ms is not None
    assert (bad.circuit, bad.calls, bad.failed_calls, bad.p50_ms) == ("open", 3, 3, None)
    assert bad.resting_until is not None
    assert (nowhere.configured, nowhere.calls) == (False, 0)
    assert len(world.provider.received) == before


def test_only_who_manages_routes_sees_how_they_are(world: World) -> None:
    """As with testing them."""
    with pytest.raises(Forbidden):
        world.run(lambda: world.gateway.service.health(principal(role=Role.READER), "mixed"))
