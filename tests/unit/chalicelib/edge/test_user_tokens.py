"""User tokens, checked against the issuer's published keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from chalicelib.domain.access import Role
from chalicelib.edge.user_tokens import REFETCH_AFTER_S, UserTokens
from chalicelib.errors import BadUpstream, Unauthenticated, Unavailable
from tests.fakes.clock import HandClock
from tests.fakes.user_token_issuer import AUDIENCE, ISSUER, KEY, OTHER_KEY, UserTokenIssuer


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def issuer(clock: HandClock) -> UserTokenIssuer:
    return UserTokenIssuer(clock)


@pytest.fixture
def tokens(issuer: UserTokenIssuer, clock: HandClock) -> UserTokens:
    return UserTokens(issuer, clock, issuer=ISSUER, audience=AUDIENCE)


def test_an_id_token_names_user_tenant_role_and_groups(tokens: UserTokens, issuer: UserTokenIssuer) -> None:
    """The claims are Cognito's."""
    user = tokens.principal(issuer.token())
    assert (user.tenant.tenant_id, user.subject) == ("acme", "user-1")
    assert (set(user.roles), set(user.groups), user.indexes) == ({Role.EDITOR}, {"hr"}, None)


def test_an_access_token_names_its_client_elsewhere(tokens: UserTokens, issuer: UserTokenIssuer) -> None:
    """Cognito's access tokens have a `client_id` instead of an `aud`."""
    token = issuer.token({"token_use": "access", "aud": None, "client_id": AUDIENCE})
    assert tokens.principal(token).subject == "user-1"


@pytest.mark.parametrize("role", [None, "king", "service", "ADMIN", ["admin"]])
def test_a_user_without_a_role_is_known_but_may_do_nothing(
    tokens: UserTokens, issuer: UserTokenIssuer, role: object
) -> None:
    """A role that users cannot have counts for none."""
    assert tokens.principal(issuer.token({"custom:role": role})).roles == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another-app"},
        {"aud": [AUDIENCE]},
        {"aud": None},
        {"token_use": "refresh"},
        {"token_use": "access"},
        {"token_use": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"custom:tenant": None},
        {"custom:tenant": "_platform"},
        {"custom:tenant": "acme#documents"},
        {"custom:tenant": "acme\n"},
        {"custom:tenant": 7},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(
    tokens: UserTokens, issuer: UserTokenIssuer, claims: dict[str, Any]
) -> None:
    """Each of these claims is needed, and must be right."""
    with pytest.raises(Unauthenticated):
        tokens.principal(issuer.token(claims))


def test_a_token_ends_with_its_last_second(tokens: UserTokens, issuer: UserTokenIssuer, clock: HandClock) -> None:
    """By the platform's clock, without grace."""
    token = issuer.token()
    clock.advance(3_599)
    tokens.principal(token)
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.principal(token)


def test_a_token_does_not_begin_early(tokens: UserTokens, issuer: UserTokenIssuer, clock: HandClock) -> None:
    """`nbf` is kept where there is one."""
    token = issuer.token({"nbf": int(clock.now().timestamp()) + 5})
    with pytest.raises(Unauthenticated, match="not valid yet"):
        tokens.principal(token)
    clock.advance(5)
    tokens.principal(token)


def test_a_forged_signature_is_refused(tokens: UserTokens, issuer: UserTokenIssuer) -> None:
    """Another's key under a known key's id opens nothing."""
    with pytest.raises(Unauthenticated):
        tokens.principal(issuer.token(key=OTHER_KEY))


def test_the_public_key_is_no_secret_to_sign_with(tokens: UserTokens, issuer: UserTokenIssuer) -> None:
    """The algorithm is ours to choose and not the token's: neither a shared secret nor none at all will do."""
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "first"})
    shared = _signed_with_shared_secret(claims, public)
    for forged in (unsigned, shared):
        with pytest.raises(Unauthenticated):
            tokens.principal(forged)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "eyJhbGciOiJSUzI1NiJ9.e30.", "é.é.é"])
def test_nonsense_is_refused(tokens: UserTokens, token: str) -> None:
    """Whatever it is, it is not a token."""
    with pytest.raises(Unauthenticated):
        tokens.principal(token)


def test_keys_are_fetched_once(tokens: UserTokens, issuer: UserTokenIssuer) -> None:
    """Not for every request."""
    for _ in range(3):
        tokens.principal(issuer.token())
    assert issuer.fetches == 1


def test_a_new_key_is_found(tokens: UserTokens, issuer: UserTokenIssuer, clock: HandClock) -> None:
    """Issuers change their keys; a key that is not known yet is looked for."""
    tokens.principal(issuer.token())
    issuer.published["second"] = OTHER_KEY
    clock.advance(REFETCH_AFTER_S)
    tokens.principal(issuer.token(key_id="second", key=OTHER_KEY))
    assert issuer.fetches == 2


def test_a_flood_of_unknown_keys_is_one_fetch_a_minute(
    tokens: UserTokens, issuer: UserTokenIssuer, clock: HandClock
) -> None:
    """Nobody can make the platform hammer the issuer."""
    for number in range(10):
        with pytest.raises(Unauthenticated):
            tokens.principal(issuer.token(key_id=f"made-up-{number}"))
    assert issuer.fetches == 1
    clock.advance(REFETCH_AFTER_S - 1)
    with pytest.raises(Unauthenticated):
        tokens.principal(issuer.token(key_id="made-up"))
    assert issuer.fetches == 1


def test_an_issuer_that_is_down_is_no_wrong_token(tokens: UserTokens, issuer: UserTokenIssuer) -> None:
    """The caller is told to try again, and may at once when the issuer is back."""
    issuer.down = True
    with pytest.raises(Unavailable):
        tokens.principal(issuer.token())
    issuer.down = False
    tokens.principal(issuer.token())


def test_known_keys_serve_while_the_issuer_is_down(
    tokens: UserTokens, issuer: UserTokenIssuer, clock: HandClock
) -> None:
    """Users who are signed in stay so."""
    tokens.principal(issuer.token())
    issuer.down = True
    clock.advance(REFETCH_AFTER_S)
    tokens.principal(issuer.token())


def test_a_broken_key_set_is_the_issuers_fault(clock: HandClock, issuer: UserTokenIssuer) -> None:
    """A published key that is none is told apart from a wrong token."""

    class Broken:
        def fetch(self) -> dict[str, Any]:
            return {"keys": [{"kty": "RSA", "kid": "first", "use": "sig"}]}

    with pytest.raises(BadUpstream):
        UserTokens(Broken(), clock, issuer=ISSUER, audience=AUDIENCE).principal(issuer.token())


def _signed_with_shared_secret(claims: dict[str, Any], secret: bytes) -> str:
    """Sign as HS256 by hand, as the library refuses to with a public key."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "kid": "first", "typ": "JWT"}).encode())
    signed = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
