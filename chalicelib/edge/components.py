"""Components: what can be chosen in recipes and releases."""

from __future__ import annotations

import asyncio

from chalicelib.contracts.components import Components
from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.operations import Call, Resource

components = Resource("components", "What can be chosen in recipes and releases")


@components.get(
    "/components", permission=Permission.ASK, query=NoQuery, returns=Components, summary="List the components"
)
def list_components(call: Call[NoQuery]) -> Components:
    """Every parser, chunker, embedder, strategy, fusion, reranker and model, with a JSON Schema of its parameters."""
    return call.edge.wait(_of_all_services(call.edge))


async def _of_all_services(edge: Edge) -> Components:
    parts = await asyncio.gather(edge.ingestor.components(), edge.retriever.components(), edge.generator.components())
    items = [component for part in parts for component in part.items]
    return Components(items=sorted(items, key=lambda component: (component.kind, component.name)))
