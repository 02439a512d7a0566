"""What retrieval asks of models through the gateway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable
from typing import Any, Literal, TypeVar

from pydantic import Field

from chalicelib.contracts.gateway import CallLabels, ChatMessage, ChatRequest
from chalicelib.domain.access import Principal
from chalicelib.errors import BudgetExceeded, DependencyError, InvalidRequest, RateLimited
from chalicelib.ports.services import ModelGateway
from fargate.retrieval.registry import Parameters

FAILURES = (DependencyError, RateLimited, BudgetExceeded, InvalidRequest)
"""
After which a step may be left out: the model is down, its budget is spent, or its provider refuses what it is to read.
That a route does not exist is not among them.
"""

MAX_OUTPUT_TOKENS = 400

ResultT = TypeVar("ResultT")

_LIST_MARK = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.):])\s*")


class RouteParameters(Parameters):
    """Which model does it, and what becomes of a question when it fails."""

    route: str = Field(min_length=1, max_length=64, description="Name of a route of the gateway")
    on_failure: Literal["skip", "fail"] = Field(
        "skip", description="Go on without this step, which the run tells, or fail the question"
    )


async def say(
    gateway: ModelGateway, principal: Principal, route: str, told: str, text: str, *, seed: int | None = None
) -> str:
    """
    Give what the chat model of *route* makes of *text* when it is *told* what to do; stripped, perhaps empty.

    Raises `NotFound` where there is no such route, and what else `ModelGateway.chat` raises.
    """
    request = ChatRequest(
        model=route,
        messages=[ChatMessage(role="system", content=told), ChatMessage(role="user", content=text)],
        temperature=0 if seed is None else 0.7,
        max_tokens=MAX_OUTPUT_TOKENS,
        seed=seed,
        metadata=CallLabels(purpose="rewrite"),
    )
    return (await gateway.chat(principal, request)).text.strip()


async def together(calls: Iterable[Coroutine[Any, Any, ResultT]]) -> list[ResultT]:
    """Give what all *calls* come to, in order. The first error ends the rest and is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(call) for call in calls]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in started]


def lines_of(said: str) -> list[str]:
    """Give the lines of what a model said, without bullets and numbers before them."""
    return [line for line in (_LIST_MARK.sub("", one).strip() for one in said.splitlines()) if line]
