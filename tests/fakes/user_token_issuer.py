"""An issuer of user tokens whose every claim a test can choose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.errors import Unavailable
from chalicelib.ports.clock import Clock

ISSUER = "https://issuer.example/pool"
AUDIENCE = "the-app"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class UserTokenIssuer:
    """See `ports.jwks.JwksSource`. *published* maps key ids to keys; *fetches* counts; *down* makes it unavailable."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.published: dict[str, rsa.RSAPrivateKey] = {"first": KEY}
        self.fetches = 0
        self.down = False

    def fetch(self) -> Mapping[str, Any]:
        """See `JwksSource.fetch`."""
        self.fetches += 1
        if self.down:
            raise Unavailable("The issuer does not answer.")
        return {"keys": [_public(key_id, key) for key_id, key in self.published.items()]}

    def token(
        self, claims: Mapping[str, Any] | None = None, *, key_id: str = "first", key: rsa.RSAPrivateKey = KEY
    ) -> str:
        """Give an id token for an editor of `acme`, good for an hour, with *claims*; one of None is left out."""
        now = self._clock.now()
        standard = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "user-1",
            "token_use": "id",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(hours=1)).timestamp()),
            "custom:tenant": "acme",
            "custom:role": "editor",
            "cognito:groups": ["hr"],
        }
        chosen = {name: value for name, value in {**standard, **(claims or {})}.items() if value is not None}
        return jwt.encode(chosen, key, algorithm="RS256", headers={"kid": key_id})


def _public(key_id: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {**published, "kid": key_id, "use": "sig", "alg": "RS256"}
