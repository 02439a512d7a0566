"""The edge in a process of its own: the real `app.py`, behind what stands for API Gateway. `… ROUTER_URL PORT`."""

from __future__ import annotations

import importlib
import sys

import uvicorn

from fargate.standalone.api_gateway import ApiGateway
from tests.fakes.path_router import PathRouter


def main(router_url: str, port: int) -> None:
    """Serve until told to stop; streams go past the app to the load balancer."""
    app = importlib.import_module("app").app
    gateway = ApiGateway(app, PathRouter({"": router_url}))
    uvicorn.run(gateway, port=port, log_config=None, access_log=False, lifespan="off")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
