"""The ASGI app of a service."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI
from starlette.types import Lifespan

from chalicelib.contracts.health import Health
from chalicelib.observability.metrics import Metrics
from fargate.http import problems
from fargate.http.body_limit import DEFAULT_LIMIT_BYTES, BodyLimit
from fargate.http.cross_origin import Readable
from fargate.http.express import Express, ExpressRoute
from fargate.http.identity import Authenticate
from fargate.http.openai_errors import OpenAiRoute
from fargate.http.rim import Rim


def service_app(
    name: str,
    routers: Sequence[APIRouter],
    *,
    authenticate: Authenticate,
    version: str,
    metrics: Metrics | None = None,
    body_limit_bytes: int = DEFAULT_LIMIT_BYTES,
    lifespan: Lifespan[FastAPI] | None = None,
    allowed_origins: Sequence[str] = (),
) -> FastAPI:
    """
    Give the app of the service *name*: its *routers*, whose paths begin with ``/name``, behind what all services share.

    Every route of theirs needs an identity token, whether or not it asks for a principal; only ``/name/health`` and
    ``/name/openapi.json`` answer anybody. Give the same *authenticate* that the routers got: it then runs once. Pages
    of *allowed_origins* may read what it answers them.
    """
    app = FastAPI(
        title=f"Ragstone {name}",
        version=version,
        openapi_url=f"/{name}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    for router in routers:
        app.include_router(router, dependencies=[Depends(authenticate)])
    app.include_router(_health(name, version))
    problems.install(app)
    express = [one for each in routers for one in each.routes if isinstance(one, ExpressRoute)]
    openai_paths = {one.path for one in express if isinstance(one, OpenAiRoute)}
    app.add_middleware(Express, routes=express)
    app.add_middleware(BodyLimit, limit_bytes=body_limit_bytes, openai_paths=openai_paths)
    # Added last, so they stand outermost.
    app.add_middleware(Rim, service=name, metrics=metrics or Metrics("Ragstone", None))
    if allowed_origins:
        app.add_middleware(Readable, allowed_origins=allowed_origins)
    return app


def _health(name: str, version: str) -> APIRouter:
    router = APIRouter()

    @router.get(f"/{name}/health")
    async def health() -> Health:
        """Say that the process answers."""
        return Health(version=version)

    return router
