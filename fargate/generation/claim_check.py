"""The whole check of an answer: words and facts, then likeness of meaning, then, where a release has one, a judge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.access import Principal
from chalicelib.domain.releases import ReleaseConfig
from chalicelib.domain.runs import Claim, Passage, Verdict
from chalicelib.errors import BudgetExceeded, DependencyError, InvalidRequest, NotFound, RateLimited
from chalicelib.ports.models import Embedder
from chalicelib.ports.services import ModelGateway
from fargate.generation.claim_judge import judge
from fargate.generation.claim_likeness import settle
from fargate.generation.claims import check_claims
from fargate.generation.drafts import Draft

FAILURES = (DependencyError, RateLimited, BudgetExceeded, InvalidRequest, NotFound)
"""After which a claim stays unchecked, and the run tells: an answer is not lost over its check."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The claims of a draft, one for each statement in their order, and what of the check was left out, with why."""

    claims: Sequence[Claim]
    degraded: Sequence[str] = ()


class ClaimCheck:
    """Checks drafts; *embedders* by the name that recipes give, *gateway* for judges."""

    def __init__(self, embedders: Mapping[str, Embedder], gateway: ModelGateway | None) -> None:
        self._embedders = embedders
        self._gateway = gateway

    async def check(
        self, draft: Draft, passages: Sequence[Passage], config: ReleaseConfig, principal: Principal
    ) -> Checked:
        """Give the claims of *draft*. Nothing that fails on the way is raised: it leaves claims unchecked, and told."""
        claims: Sequence[Claim] = await asyncio.to_thread(check_claims, draft, passages)
        degraded: list[str] = []
        embedder = self._embedders.get(config.recipe.embedder.name)
        if embedder is not None and _open(claims):
            try:
                claims = await settle(claims, draft.citations, passages, embedder)
            except FAILURES as error:
                degraded.append(f"Claims were not compared by meaning: {error}")
        route = config.answer.claims.judge
        if route is not None and self._gateway is not None and _open(claims):
            try:
                claims = await judge(claims, _sources(draft, passages), self._gateway, principal, route)
            except FAILURES as error:
                degraded.append(f"Claims were not judged by {route!r}: {error}")
        return Checked(claims, degraded)


def _open(claims: Sequence[Claim]) -> bool:
    return any(claim.verdict is Verdict.UNCHECKED for claim in claims)


def _sources(draft: Draft, passages: Sequence[Passage]) -> Mapping[int, Passage]:
    """Give the passage that each marker of *draft* leads to."""
    by_chunk = {passage.chunk_id: passage for passage in passages}
    return {one.marker: by_chunk[one.chunk_id] for one in draft.citations if one.chunk_id in by_chunk}
