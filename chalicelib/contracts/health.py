"""Whether the platform is up."""

from __future__ import annotations

from typing import Literal

from chalicelib.contracts.common import ResponseModel


class Health(ResponseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class Dependency(ResponseModel):
    """One thing the platform needs."""

    name: str
    status: Literal["ok", "failing"]
    detail: str = ""


class Readiness(ResponseModel):
    """Every dependency, asked just now."""

    status: Literal["ok", "failing"]
    dependencies: list[Dependency]
