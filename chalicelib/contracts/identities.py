"""Who is calling, and the API keys they call with."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from chalicelib.contracts.common import Identifier, IndexName, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.documents import Group
from chalicelib.domain.access import Permission, Role

KeyName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"\S")]


class Me(ResponseModel):
    """The caller as the platform sees it."""

    tenant: str
    subject: str
    roles: list[Role]
    groups: list[str]
    indexes: list[str] | None = Field(description="The indexes the roles are narrowed to; null means all")
    permissions: list[Permission]


class ApiKeyCreate(RequestModel):
    """A new key, which can do no more than whoever makes it."""

    name: KeyName
    roles: list[Annotated[Role, Field(strict=False)]] = Field(min_length=1, max_length=4)
    groups: list[Group] = Field(default_factory=list, max_length=100)
    indexes: list[IndexName] | None = Field(None, max_length=100)
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = None


class ApiKeyView(ResponseModel):
    """A key, without its secret."""

    key_id: Identifier
    name: str
    roles: list[Role]
    groups: list[str]
    indexes: list[str] | None
    created_at: Timestamp
    created_by: str
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class ApiKeyCreated(ResponseModel):
    """A new key; *secret* is the whole credential and is shown this once."""

    key: ApiKeyView
    secret: str
