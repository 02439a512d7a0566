"""Who is calling: API keys and user tokens to principals, and principals to the authorizer's answer."""

from __future__ import annotations

import re

from chalice.app import AuthRequest, AuthResponse

from chalicelib.domain.access import Principal
from chalicelib.edge.dependencies import Edge
from chalicelib.errors import Unauthenticated
from chalicelib.observability.logs import get_logger

AUTHORIZER = "authorize"
"""Its name, and that of the function in app.py that is the authorizer's Lambda handler."""
TTL_S = 60
"""How long API Gateway remembers an answer, and so how long a revoked key may live on."""

_BEARER = re.compile(r"Bearer +(?P<credential>[!-~]{1,8192}) *", re.IGNORECASE)
_API_KEY = "rgs_"

log = get_logger(__name__)


def authorize(edge: Edge, request: AuthRequest) -> AuthResponse:
    """
    Give API Gateway's answer for the `Authorization` header in *request*.

    Whoever is known may call every route, as one answer is cached for all; what the role allows is decided at the
    view. Whoever is not known may call none, which the gateway is configured to answer with 401.
    """
    try:
        principal = authenticate(edge, request.token)
    except Unauthenticated as error:
        log.info("credential_refused", reason=error.detail)
        return AuthResponse(routes=[], principal_id="nobody")
    context = {"identity": edge.signer.sign(principal, edge.clock.now()), "tenant": principal.tenant.tenant_id}
    return AuthResponse(routes=["*"], principal_id=principal.subject, context=context)


def authenticate(edge: Edge, authorization: str) -> Principal:
    """
    Give the principal of an `Authorization` header, after at most one read of the store.

    Raises `Unauthenticated`, or `Unavailable` when the store or the issuer of user tokens does not answer.
    """
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise Unauthenticated("Send an API key or a user token: 'Authorization: Bearer …'.")
    credential = match["credential"]
    if credential.startswith(_API_KEY):
        return edge.api_keys.holder(credential, edge.clock.now())
    if edge.users is None:
        raise Unauthenticated("This platform takes API keys only.")
    return edge.users.principal(credential)
