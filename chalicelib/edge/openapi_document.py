"""The API's own description."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import RootModel

from chalicelib.contracts.queries import NoQuery
from chalicelib.edge.operations import Resource, Visit


class OpenApiDocument(RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 document."""


def describing(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Give *resources* and the one that describes them all, itself included."""
    itself = Resource("openapi", "This description")
    described = (*resources, itself)

    @cache
    def made(version: str) -> OpenApiDocument:
        from chalicelib.edge.openapi import document  # few ask for it, and its examples are built at import

        return OpenApiDocument(document(described, version))

    @itself.open_to_everybody("/openapi.json", returns=OpenApiDocument, summary="Describe the API")
    def get_openapi(call: Visit[NoQuery]) -> OpenApiDocument:
        """OpenAPI 3.1: every operation with its schemas, examples, permission and problems."""
        return made(call.edge.version)

    return described
