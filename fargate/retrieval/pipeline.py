"""What a release says about retrieval, made ready to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.contracts.components import ComponentKind, ComponentView
from chalicelib.domain.filters import parse_filter
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings
from fargate.retrieval.diversity import DIVERSITIES, Diversity
from fargate.retrieval.expansion import EXPANSIONS, Expansion
from fargate.retrieval.fusion import FUSIONS
from fargate.retrieval.ranking import STRATEGIES, Ranking, StrategyParameters
from fargate.retrieval.registry import Tools
from fargate.retrieval.rerankers.registry import RERANKERS
from fargate.retrieval.rerankers.reranker import Reranker
from fargate.retrieval.transforms import TRANSFORMS, Reword


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps of retrieval, in order."""

    reword: Reword
    ranking: Ranking
    reranker: Reranker | None
    diversity: Diversity
    expansion: Expansion

    @classmethod
    def of(cls, config: ReleaseConfig, tools: Tools) -> Pipeline:
        """Make it. Raises `InvalidRequest` for a component, a parameter or a filter that does not exist."""
        settings, embedder = config.retrieval, tools.embedders.get(config.recipe.embedder.name)
        if settings.filter is not None:
            parse_filter(settings.filter)
        return cls(
            reword=TRANSFORMS.make(settings.transform, tools),
            ranking=Ranking.of(settings, embedder.info.unrelated if embedder else 0.0),
            reranker=RERANKERS.make(settings.reranker, tools),
            diversity=DIVERSITIES.make(settings.diversity, tools),
            expansion=EXPANSIONS.make(settings.expansion, tools),
        )

    def pool(self, top_k: int) -> int:
        """Say how many passages must be read to end with *top_k*."""
        reranked = self.reranker.depth if self.reranker else 0
        return max(top_k * self.expansion.factor, self.diversity.pool, reranked)


def components() -> Iterator[ComponentView]:
    """Give every component of retrieval there is."""
    default = RetrievalSettings()
    for strategy, description in STRATEGIES.items():
        yield ComponentView(
            kind=ComponentKind.STRATEGY,
            name=strategy,
            description=description,
            parameters=StrategyParameters.model_json_schema(),
            default=strategy is default.strategy,
        )
    yield from TRANSFORMS.views(default.transform.name)
    yield from FUSIONS.views(default.fusion.name)
    yield from RERANKERS.views(default.reranker.name)
    yield from DIVERSITIES.views(default.diversity.name)
    yield from EXPANSIONS.views(default.expansion.name)
