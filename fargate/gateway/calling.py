"""A user's call: upstream calls one after the other, until one answers or the plan says to give up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chalicelib.contracts.gateway import ChatChunk
from chalicelib.domain.routes import Deployment
from chalicelib.ports.model_providers import FailureKind, ProviderCall, ProviderFailure
from fargate.gateway.attempts import Asked, Attempt, Target, Watchers, begin
from fargate.gateway.failures import error_of
from fargate.gateway.planning import Chance, Progress, Try, next_try
from fargate.gateway.translation import Read, read_chunk, tokens_of, usage_chunk, usage_of

ValueT = TypeVar("ValueT")

Ask = Callable[[Attempt, ProviderCall], Awaitable[Read[ValueT]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom *asked* may be answered by, in order, and what each is to be sent."""

    asked: Asked
    targets: Sequence[Target]
    body: Callable[[Deployment], dict[str, Any]]


class Caller:
    """Makes the upstream calls of users' calls: at most three each, within one deadline."""

    def __init__(self, watchers: Watchers, chance: Chance = random.random) -> None:
        self._watchers = watchers
        self._chance = chance

    async def call(self, plan: Plan, ask: Ask[ValueT]) -> ValueT:
        """Give the first answer. Raises what `error_of` gives, or what the meter raises."""
        progress = self._progress(plan)
        while True:
            step = await self._next(plan, progress)
            attempt, call = await self._begin(plan, step, progress)
            try:
                return await self._answered(step, attempt, call, ask)
            except ProviderFailure as failure:
                progress = progress.after(step.deployment, failure)

    async def stream(self, plan: Plan) -> AsyncGenerator[ChatChunk, None]:
        """Give the chunks of the first deployment that speaks, then the usage. Raises as `call` does."""
        progress = self._progress(plan)
        while True:
            step = await self._next(plan, progress)
            attempt, call = await self._begin(plan, step, progress)
            speech = _Speech(attempt, attempt.target.provider.chat_stream(call))
            try:
                await self._opened(step, speech)
            except ProviderFailure as failure:
                progress = progress.after(step.deployment, failure)
            else:
                break
        async with aclosing(self._spoken(plan, speech, progress.deadline)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _progress(self, plan: Plan) -> Progress:
        route = plan.asked.route
        deadline = self._watchers.clock.monotonic() + route.timeout_s
        return Progress([target.deployment for target in plan.targets], deadline, route.max_attempts)

    async def _next(self, plan: Plan, progress: Progress) -> Try:
        now = self._watchers.clock.monotonic()
        step = next_try(progress, now, self._watchers.circuits.of, self._chance)
        if isinstance(step, ProviderFailure):
            raise error_of(step, plan.asked.route.name)
        if step.wait_s:
            await asyncio.sleep(step.wait_s)
        if progress.failures:
            self._watchers.metrics.count("Fallbacks", 1, Route=plan.asked.route.name)
        return step

    async def _begin(self, plan: Plan, step: Try, progress: Progress) -> tuple[Attempt, ProviderCall]:
        target = next(one for one in plan.targets if one.deployment is step.deployment)
        call = target.call(plan.body(target.deployment), step.timeout_s)
        return await begin(self._watchers, plan.asked, target, progress.attempt), call

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

    async def _spoken(self, plan: Plan, speech: _Speech, deadline: float) -> AsyncGenerator[ChatChunk, None]:
        """Give all chunks; no other deployment can take over any more."""
        attempt = speech.attempt
        try:
            while (chunk := await self._by(deadline, speech.next())) is not None:
                yield chunk
        except ProviderFailure as failure:
            await speech.failed(failure)
            raise error_of(failure, plan.asked.route.name) from None
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
