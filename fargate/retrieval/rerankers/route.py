"""Reranking by a model made for it, behind a route of the gateway: Cohere, Bedrock, Jina and their like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from chalicelib.contracts.gateway import RerankRequest
from chalicelib.domain.runs import Passage
from chalicelib.errors import BadUpstream
from chalicelib.ports.services import ModelGateway
from fargate.retrieval.model_calls import RouteParameters
from fargate.retrieval.question import Question
from fargate.retrieval.registry import Tools
from fargate.retrieval.rerankers.reranker import Reranked
from fargate.retrieval.rerankers.wording import as_read


class Parameters(RouteParameters):
    """Which route, and how many passages it is shown."""

    depth: int = Field(50, ge=1, le=100, description="How many of the best are scored anew")


@dataclass(frozen=True, slots=True)
class RouteReranker:
    """See `Reranker`."""

    depth: int
    optional: bool
    _route: str
    _gateway: ModelGateway

    async def rerank(self, question: Question, passages: Sequence[Passage]) -> Sequence[Reranked]:
        """See `Reranker.rerank`. Raises `BadUpstream` where a passage was left without a score."""
        request = RerankRequest(model=self._route, query=question.text, documents=[as_read(one) for one in passages])
        response = await self._gateway.rerank(question.asked_by, request)
        scores = {item.index: item.relevance_score for item in response.results}
        if set(scores) != set(range(len(passages))):
            raise BadUpstream(f"Route {self._route!r} scored {len(scores)} of {len(passages)} passages; ask again.")
        return [Reranked(scores[place], {"relevance": scores[place]}) for place in range(len(passages))]


def make(parameters: Parameters, tools: Tools) -> RouteReranker:
    """Give the reranker of a route."""
    return RouteReranker(parameters.depth, parameters.on_failure == "skip", parameters.route, tools.models())
