"""The retrieval service over HTTP; health, identity and errors are every service's (`fargate.http`)."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from chalicelib.contracts.asking import RetrieveRequest, RetrieveResponse, SearchRequest, SearchResponse
from chalicelib.contracts.components import Components
from chalicelib.contracts.explanations import Explanation, ExplanationRequest
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.domain.access import Permission, Principal
from chalicelib.ports.services import Retriever
from fargate.http.identity import Authenticate
from fargate.http.permission import requires


def router(service: Retriever, authenticate: Authenticate) -> APIRouter:
    """Give the routes under ``/retrieval``; questions need `Permission.ASK`, the list of components any identity."""
    caller = Depends(requires(Permission.ASK, authenticate))
    routes = APIRouter(prefix="/retrieval", tags=["retrieval"])

    @routes.post("/retrieve")
    async def retrieve(request: RetrieveRequest, principal: Principal = caller) -> RetrieveResponse:
        """Find passages, and store a run of it."""
        return await service.retrieve(principal, request)

    @routes.post("/search")
    async def search(request: SearchRequest, principal: Principal = caller) -> SearchResponse:
        """Find passages for another service, under a release that is settled."""
        return await service.search(principal, request)

    @routes.post("/explain")
    async def explain(request: ExplanationRequest, principal: Principal = caller) -> Explanation:
        """Say why a chunk or document was not returned, for another service."""
        return await service.explain(principal, request)

    @routes.post("/check")
    async def check(request: RetrievalCheck, principal: Principal = caller) -> Checked:
        """Refuse settings that nothing could be found under."""
        return await service.check(principal, request)

    @routes.get("/components")
    async def components() -> Components:
        """List strategies, fusions and rerankers."""
        return await service.components()

    return routes
