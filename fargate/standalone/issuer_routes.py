"""The local issuer over HTTP: its public keys, and tokens for whoever may manage keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chalicelib.contracts.common import RequestModel
from chalicelib.contracts.documents import Group
from chalicelib.contracts.identity import IdentityVerifier
from chalicelib.domain.access import Permission, Role, allows
from chalicelib.errors import Forbidden, InvalidRequest, RagError
from fargate.http.problems import problem_response
from fargate.standalone.issuer import LIFETIME, LocalIssuer


class TokenRequest(RequestModel):
    """The user whom a token is for."""

    subject: str = Field(min_length=1, max_length=128)
    role: Annotated[Role, Field(strict=False)] = Role.READER
    groups: list[Group] = Field(default_factory=list, max_length=100)


def issuer_routes(
    issuer: LocalIssuer, identity: Callable[[Mapping[str, str]], str], verifier: IdentityVerifier
) -> list[Route]:
    """Give `GET /local/jwks.json` and `POST /local/tokens`; *identity* is the API's own authorizer."""

    async def keys(_: Request) -> Response:
        return JSONResponse(issuer.fetch())

    async def tokens(request: Request) -> Response:
        try:
            return JSONResponse(await _token(request), 201)
        except RagError as error:
            return problem_response(error)

    async def _token(request: Request) -> dict[str, object]:
        principal = verifier.verify(await run_in_threadpool(identity, dict(request.headers)))
        if not allows(principal, Permission.KEYS_MANAGE):
            raise Forbidden("Only who may manage keys can issue tokens; use an admin's key.")
        try:
            wanted = TokenRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise InvalidRequest(f"The request does not fit: {error.error_count()} fields are wrong.") from error
        token = issuer.issue(
            tenant=principal.tenant.tenant_id, subject=wanted.subject, role=wanted.role, groups=wanted.groups
        )
        return {"id_token": token, "token_type": "Bearer", "expires_in": int(LIFETIME.total_seconds())}

    return [Route("/local/jwks.json", keys), Route("/local/tokens", tokens, methods=["POST"])]
