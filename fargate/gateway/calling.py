"""A user's call: upstream calls one after the other, until one answers or the plan says to give up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from chalicelib.contracts.gateway import ChatChunk
from chalicelib.domain.routes import Deployment
from chalicelib.errors import BudgetExceeded
from chalicelib.ports.model_providers import FailureKind, ProviderCall, ProviderFailure
from fargate.gateway.attempts import Asked, Attempt, Target, Watchers, begin
from fargate.gateway.failures import error_of
from fargate.gateway.planning import Chance, Progress, Try, next_try
from fargate.gateway.translation import Read, read_chunk, tokens_of, usage_chunk, usage_of

ValueT = TypeVar("ValueT")

Ask = Callable[[Attempt, ProviderCall], Awaitable[Read[ValueT]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Whom *asked* may be answered by, in order, and what each is to be sent.

    *cheaper* takes its place where a budget has no room for it.
    """

    asked: Asked
    targets: Sequence[Target]
    body: Callable[[Deployment], dict[str, Any]]
    cheaper: Plan | None = None

    @property
    def deployments(self) -> list[Deployment]:
        """Those of the targets."""
        return [target.deployment for target in self.targets]


@dataclass(slots=True)
class _Course:
    """A user's call under way."""

    plan: Plan
    progress: Progress

    def failed(self, step: Try, failure: ProviderFailure) -> None:
        """Go on after *failure*."""
        self.progress = self.progress.after(step.deployment, failure)

    def degrade(self, cheaper: Plan) -> None:
        """Go on with what costs less; upstream calls and time that are used up stay so."""
        self.plan = cheaper
        self.progress = replace(self.progress, deployments=cheaper.deployments)


class Caller:
    """Makes the upstream calls of users' calls: at most three each, within one deadline."""

    def __init__(self, watchers: Watchers, chance: Chance = random.random) -> None:
        self._watchers = watchers
        self._chance = chance

    async def call(self, plan: Plan, ask: Ask[ValueT]) -> ValueT:
        """Give the first answer. Raises what `error_of` gives, or what the meter raises."""
        course = self._course(plan)
        while True:
            step, attempt, call = await self._begin(course)
            try:
                return await self._answered(step, attempt, call, ask)
            except ProviderFailure as failure:
                course.failed(step, failure)

    async def stream(self, plan: Plan) -> AsyncGenerator[ChatChunk, None]:
        """Give the chunks of the first deployment that speaks, then the usage. Raises as `call` does."""
        course = self._course(plan)
        while True:
            step, attempt, call = await self._begin(course)
            speech = _Speech(attempt, attempt.target.provider.chat_stream(call))
            try:
                await self._opened(step, speech)
            except ProviderFailure as failure:
                course.failed(step, failure)
            else:
                break
        async with aclosing(self._spoken(course, speech)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _course(self, plan: Plan) -> _Course:
        route = plan.asked.route
        deadline = self._watchers.clock.monotonic() + route.timeout_s
        return _Course(plan, Progress(plan.deployments, deadline, route.max_attempts))

    async def _begin(self, course: _Course) -> tuple[Try, Attempt, ProviderCall]:
        """Reserve for the next upstream call, which may take what is left after that."""
        while True:
            step, plan, progress = await self._next(course), course.plan, course.progress
            target = next(one for one in plan.targets if one.deployment is step.deployment)
            try:
                attempt = await begin(self._watchers, plan.asked, target, progress.attempt, progress.deadline)
            except BudgetExceeded:
                if plan.cheaper is None:
                    raise
                self._watchers.metrics.count("Degraded", 1, Route=plan.asked.route.name)
                course.degrade(plan.cheaper)
                continue
            left_s = max(progress.deadline - self._watchers.clock.monotonic(), 0)
            step = replace(step, timeout_s=min(step.timeout_s, left_s))
            return step, attempt, target.call(plan.body(target.deployment), step.timeout_s)

    async def _next(self, course: _Course) -> Try:
        now, route = self._watchers.clock.monotonic(), course.plan.asked.route.name
        step = next_try(course.progress, now, self._watchers.circuits.of, self._chance)
        if isinstance(step, ProviderFailure):
            raise error_of(step, route)
        if step.wait_s:
            await asyncio.sleep(step.wait_s)
        if course.progress.failures:
            self._watchers.metrics.count("Fallbacks", 1, Route=route)
        return step

    async def _answered(self, step: Try, attempt: Attempt, call: ProviderCall, ask: Ask[ValueT]) -> ValueT:
        try:
            async with asyncio.timeout(step.timeout_s):
                read = await ask(attempt, call)
        except TimeoutError:
            failure = ProviderFailure(FailureKind.TIMEOUT)
            attempt.failed(failure)
            raise failure from None
        except ProviderFailure as failure:
            attempt.failed(failure)
            raise
        except BaseException:  # cancelled, or a fault of ours: what was reserved is settled all the same
            attempt.left()
            raise
        attempt.succeeded(read.tokens)
        return read.value

    async def _opened(self, step: Try, speech: _Speech) -> None:
        """Wait for the first chunk that says something; what came before it, and it, wait in *speech*."""
        try:
            async with asyncio.timeout(step.timeout_s):
                await speech.begin()
        except TimeoutError:
            failure = ProviderFailure(FailureKind.TIMEOUT)
            await speech.failed(failure)
            raise failure from None
        except ProviderFailure as failure:
            await speech.failed(failure)
            raise
        except BaseException:  # see `_answered`
            await speech.left()
            raise

    async def _spoken(self, course: _Course, speech: _Speech) -> AsyncGenerator[ChatChunk, None]:
        """Give all chunks; no other deployment can take over any more."""
        attempt, deadline = speech.attempt, course.progress.deadline
        try:
            while (chunk := await self._by(deadline, speech.next())) is not None:
                yield chunk
        except ProviderFailure as failure:
            await speech.failed(failure)
            raise error_of(failure, course.plan.asked.route.name) from None
        except BaseException:  # left by its reader, or a fault of ours: see `_answered`
            await speech.left()
            raise
        tokens = attempt.tokens()
        attempt.succeeded(tokens)
        yield usage_chunk(attempt.stamp, usage_of(tokens, attempt.target.charge(tokens)))

    async def _by(self, deadline: float, waiting: Awaitable[ValueT]) -> ValueT:
        try:
            async with asyncio.timeout(max(deadline - self._watchers.clock.monotonic(), 0)):
                return await waiting
        except TimeoutError:
            raise ProviderFailure(FailureKind.TIMEOUT) from None


@dataclass(slots=True)
class _Speech:
    """A stream that is being received."""

    attempt: Attempt
    raw: AsyncGenerator[Any, None]
    waiting: list[ChatChunk] = field(default_factory=list)
    finished: bool = False

    async def begin(self) -> None:
        """Receive until something is said."""
        while True:
            chunk = await self._receive()
            if chunk is None:
                raise ProviderFailure(FailureKind.BROKEN_OFF)
            self.waiting.append(chunk)
            if _says_something(chunk):
                self.attempt.speaks()
                return

    async def next(self) -> ChatChunk | None:
        """Give the next chunk, None after the last."""
        if self.waiting:
            return self.waiting.pop(0)
        return await self._receive()

    async def failed(self, failure: ProviderFailure) -> None:
        """End it for *failure*."""
        await self.raw.aclose()
        self.attempt.failed(failure)

    async def left(self) -> None:
        """End it because nobody listens."""
        try:
            await self.raw.aclose()
        finally:
            self.attempt.left()

    async def _receive(self) -> ChatChunk | None:
        async for raw in self.raw:
            self.attempt.reported = tokens_of(raw.get("usage")) or self.attempt.reported
            chunk = read_chunk(raw, self.attempt.stamp)
            if chunk.choices:
                self.attempt.said += _pieces(chunk)
                return chunk
        return None


def _says_something(chunk: ChatChunk) -> bool:
    return any(
        choice.delta.content or choice.delta.tool_calls or choice.delta.refusal or choice.finish_reason
        for choice in chunk.choices
    )


def _pieces(chunk: ChatChunk) -> list[str]:
    said = []
    for choice in chunk.choices:
        said.append(choice.delta.content or choice.delta.refusal or "")
        said += [call.function.arguments or "" for call in choice.delta.tool_calls or ()]
    return [piece for piece in said if piece]
