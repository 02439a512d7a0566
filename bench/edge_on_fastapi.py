"""The edge's own operations on FastAPI with Mangum, as far as starting goes: what `edge_import` compares with."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import FastAPI, Query
from mangum import Mangum

from chalicelib.edge.assembly import edge_from_environment
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.operations import Operation


def create_app(edge: Edge) -> FastAPI:
    """Declare every operation with its path, its input and its answer, as FastAPI reads them from signatures."""
    app = FastAPI()
    app.state.edge = edge
    for resource in RESOURCES:
        for operation in resource.operations:
            app.add_api_route(
                operation.path,
                _view_of(operation),
                methods=[operation.method.value],
                name=operation.name,
                status_code=operation.status,
                response_model=operation.returns,
            )
    return app


def _view_of(operation: Operation) -> Callable[..., Any]:
    async def view(**_: Any) -> None:
        """Never called here."""

    kind: Any = operation.input if operation.takes_body else Annotated[operation.input, Query()]
    taken = {**dict.fromkeys(operation.path_parameters, str), "sent": kind}
    parameters = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=each) for name, each in taken.items()]
    view.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return view


app = create_app(edge_from_environment())
handler = Mangum(app, lifespan="off")
