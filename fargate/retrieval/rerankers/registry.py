"""The rerankers a release chooses from."""

from __future__ import annotations

from chalicelib.contracts.components import ComponentKind
from fargate.retrieval.registry import Entry, Parameters, Registry, Tools
from fargate.retrieval.rerankers import llm, local, route
from fargate.retrieval.rerankers.reranker import Reranker


def _none(_parameters: Parameters, _tools: Tools) -> Reranker | None:
    return None


RERANKERS: Registry[Reranker | None] = Registry(
    ComponentKind.RERANKER,
    [
        Entry("none", "Leave the ranking as it is", _none),
        Entry(
            "local",
            "Looks again at which words of the question each passage has; learned from manuals, needs no model",
            local.make,
            local.LocalParameters,
        ),
        Entry("llm", "A chat model of a route judges the passages", llm.make, llm.LlmParameters),
        Entry(
            "route", "A rerank model of a route, such as Cohere's, Bedrock's or Jina's", route.make, route.Parameters
        ),
    ],
)
