"""The identity token between edge and services."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.contracts.identity import (
    CLOCK_SKEW,
    ISSUER,
    LIFETIME,
    MAX_REMEMBERED,
    REUSED_FOR,
    IdentitySigner,
    IdentityVerifier,
)
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.errors import Unauthenticated

KEY = Ed25519PrivateKey.generate()
SIGNER, VERIFIER = IdentitySigner(KEY), IdentityVerifier(KEY.public_key())
WIDE = Principal(Tenant(TenantId("acme")), "ada", frozenset({Role.ADMIN, Role.READER}), frozenset({"hr", "board"}))
NARROW = Principal(Tenant(TenantId("acme")), "bob", frozenset({Role.READER}), indexes=frozenset({"handbook"}))
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("principal", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_principal_comes_back_as_it_was(principal: Principal) -> None:
    """With the token itself, to be handed on."""
    token = SIGNER.sign(principal, datetime.now(UTC))
    assert VERIFIER.verify(token) == principal
    assert VERIFIER.verify(token).token == token


@pytest.mark.parametrize("age", [LIFETIME + CLOCK_SKEW + SECOND, -CLOCK_SKEW - 2 * SECOND], ids=["old", "unborn"])
def test_a_token_out_of_its_time_is_refused(age: timedelta) -> None:
    """Before it was made and after it ended."""
    with pytest.raises(Unauthenticated):
        VERIFIER.verify(SIGNER.sign(WIDE, datetime.now(UTC) - age))


@pytest.mark.parametrize("age", [LIFETIME, -CLOCK_SKEW + 2 * SECOND], ids=["just ended", "just ahead"])
def test_clocks_may_be_a_little_apart(age: timedelta) -> None:
    """Two machines never have quite the same time."""
    assert VERIFIER.verify(SIGNER.sign(WIDE, datetime.now(UTC) - age)) == WIDE


def test_a_token_that_was_good_ends_all_the_same() -> None:
    """That it was checked before does not make it last."""
    now = datetime.now(UTC)
    later = [now.timestamp()]
    verifier = IdentityVerifier(KEY.public_key(), now=lambda: later[0])
    token = IdentitySigner(KEY).sign(WIDE, now)
    assert verifier.verify(token) == verifier.verify(token) == WIDE
    later[0] += (LIFETIME + CLOCK_SKEW).total_seconds() + 1
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


def test_a_principal_gets_the_same_token_for_a_while() -> None:
    """And another one when the first is a minute old; a principal that differs in anything never gets it."""
    signer, now = IdentitySigner(KEY), datetime.now(UTC)
    first = signer.sign(WIDE, now)
    assert signer.sign(WIDE, now + REUSED_FOR - SECOND) == first
    narrower = replace(WIDE, roles=frozenset()), replace(WIDE, groups=frozenset()), replace(WIDE, indexes=frozenset())
    assert first not in {signer.sign(principal, now) for principal in narrower}
    assert first not in {signer.sign(WIDE, now + REUSED_FOR), signer.sign(WIDE, now - SECOND)}


def test_many_principals_do_not_fill_the_memory() -> None:
    """What is remembered is forgotten again, and made anew when it is needed."""
    signer, verifier, now = IdentitySigner(KEY), IdentityVerifier(KEY.public_key()), datetime.now(UTC)
    for number in range(MAX_REMEMBERED + 2):
        principal = replace(NARROW, subject=f"user-{number}")
        assert verifier.verify(signer.sign(principal, now)) == principal
    assert len(signer._made) == len(verifier._checked) == 2


def test_anothers_signature_is_refused() -> None:
    """Only the holder of the private key can say who somebody is."""
    with pytest.raises(Unauthenticated):
        VERIFIER.verify(IdentitySigner(Ed25519PrivateKey.generate()).sign(WIDE, datetime.now(UTC)))


@pytest.mark.parametrize("missing", ["iss", "exp", "iat", "sub", "tenant", "roles", "groups"])
def test_a_token_without_a_claim_is_refused(missing: str) -> None:
    """Nothing is assumed of whoever it names."""
    now = int(datetime.now(UTC).timestamp())
    whole: dict[str, Any] = {
        "iss": ISSUER,
        "iat": now,
        "exp": now + 60,
        "sub": "ada",
        "tenant": "acme",
        "roles": ["admin"],
        "groups": [],
    }
    VERIFIER.verify(jwt.encode(whole, KEY, algorithm="EdDSA"))
    del whole[missing]
    with pytest.raises(Unauthenticated):
        VERIFIER.verify(jwt.encode(whole, KEY, algorithm="EdDSA"))


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_nonsense_is_refused(token: str) -> None:
    """Whatever it is."""
    with pytest.raises(Unauthenticated):
        VERIFIER.verify(token)
