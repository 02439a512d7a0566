"""A local issuer of user tokens, shaped like Cognito's, so that the edge verifies both with the same code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretBytes

from chalicelib.domain.access import Role
from chalicelib.ports.clock import Clock
from chalicelib.ports.secrets import Secrets

SECRET = "local-issuer-key"  # noqa: S105 -- the secret's name
LIFETIME = timedelta(hours=1)
KEY_ID = "local"


class LocalIssuer:
    """Signs tokens for the users of one machine; its private key never leaves the data folder."""

    def __init__(self, secrets: Secrets, clock: Clock, *, issuer: str, audience: str) -> None:
        self._key = _stored_key(secrets)
        self._clock = clock
        self._issuer = issuer
        self._audience = audience

    @property
    def name(self) -> str:
        """What stands in the tokens as their issuer."""
        return self._issuer

    def fetch(self) -> dict[str, Any]:
        """Give the public key, as an issuer publishes it; see `ports.jwks.JwksSource`."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    def issue(self, *, tenant: str, subject: str, role: Role, groups: Sequence[str] = ()) -> str:
        """Give an id token for a user of *tenant*, good for `LIFETIME`."""
        now = self._clock.now()
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "token_use": "id",
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "custom:tenant": tenant,
            "custom:role": role,
            "cognito:groups": list(groups),
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})


def _stored_key(secrets: Secrets) -> rsa.RSAPrivateKey:
    stored = secrets.get(SECRET) or secrets.create(SECRET, _new_key())
    key = serialization.load_der_private_key(stored.get_secret_value(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _new_key() -> SecretBytes:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    form = serialization.PrivateFormat.PKCS8
    return SecretBytes(key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()))
