"""The authorizer: who is calling, as API Gateway is told."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from chalice.app import AuthRequest

from chalicelib.domain.access import Role
from chalicelib.edge import auth
from chalicelib.errors import Unavailable
from chalicelib.ports.table import Key
from tests.fakes.edge_world import World

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abcdef/v1/GET/me"


def decide(world: World, authorization: str) -> dict[str, Any]:
    """Ask the authorizer as API Gateway does."""
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN}
    answer: dict[str, Any] = world.app.handler_map[auth.AUTHORIZER](event, None)
    return answer


def test_whoever_is_known_may_call_every_route(world: World) -> None:
    """One policy is cached for all routes, so it must fit all; what the role allows is the views' business."""
    decision = decide(world, f"Bearer {world.key(Role.READER)}")
    statement = decision["policyDocument"]["Statement"][0]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", [ARN.replace("GET/me", "*/*")])


def test_whoever_is_not_known_may_call_none(world: World) -> None:
    """A policy that allows nothing denies, and says nothing about why."""
    decision = decide(world, "Bearer nonsense")
    assert decision["policyDocument"]["Statement"][0]["Resource"] == []
    assert decision["context"] == {}


def test_the_context_carries_an_identity_token(world: World) -> None:
    """Signed, with everything the services go by; every value is text, as API Gateway demands."""
    credential = world.key(Role.EDITOR, groups=["hr"], indexes=["handbook"])
    decision = decide(world, f"Bearer {credential}")
    assert all(isinstance(value, str) for value in decision["context"].values())
    principal = world.edge.verifier.verify(decision["context"]["identity"])
    assert principal.subject == decision["principalId"] == credential.removeprefix("rgs_")[:30]
    assert (set(principal.roles), set(principal.groups)) == ({Role.EDITOR}, {"hr"})
    assert principal.indexes == frozenset({"handbook"})


def test_the_identity_outlives_the_gateways_memory(world: World) -> None:
    """The gateway may use an answer for its whole TTL; the token in it must be good until then."""
    token = decide(world, f"Bearer {world.key(Role.READER)}")["context"]["identity"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] > 2 * auth.TTL_S


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_the_schemes_case_does_not_matter(world: World, scheme: str) -> None:
    """As RFC 9110 has it."""
    assert decide(world, scheme + world.key(Role.READER))["context"]


@pytest.mark.parametrize("scheme", ["", "Basic ", "Bearer", "Bearer\t", "Token ", "Bearer Bearer "])
def test_another_scheme_is_refused(world: World, scheme: str) -> None:
    """A credential counts in its place only."""
    assert not decide(world, scheme + world.key(Role.READER))["context"]


@pytest.mark.parametrize("extra", [" x", "\n", "\x00", "é", "x" * 9_000])
def test_a_credential_with_more_behind_it_is_refused(world: World, extra: str) -> None:
    """It is taken whole or not at all."""
    assert not decide(world, f"Bearer {world.key(Role.READER)}{extra}")["context"]


def test_without_an_issuer_there_are_no_user_tokens(world: World, tmp_path: Path) -> None:
    """A platform on API keys alone refuses every JWT."""
    (tmp_path / "other").mkdir()
    keys_only = World(tmp_path / "other", users=None)
    assert not decide(keys_only, f"Bearer {world.issuer.token()}")["context"]
    assert decide(keys_only, f"Bearer {keys_only.key(Role.READER)}")["context"]
    keys_only.close()


def test_a_key_is_looked_up_once(world: World, tmp_path: Path) -> None:
    """One read of the store for an API key, whatever comes of it."""
    counting = CountingReads(world)
    edge = replace(world.edge, api_keys=type(world.edge.api_keys)(counting))  # type: ignore[arg-type]
    good, wrong = world.key(Role.READER), world.key(Role.READER)[:-1]
    for credential in (good, wrong + "A", wrong + "B"):
        counting.reads.clear()
        auth.authorize(edge, AuthRequest("TOKEN", f"Bearer {credential}", ARN))
        assert counting.reads.total() == 1


class CountingReads:
    """A table that counts its reads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reads: Counter[Key] = Counter()

    def get(self, key: Key) -> Any:
        """See `Table.get`."""
        self.reads[key] += 1
        return self._world.table.get(key)


def test_a_key_stops_when_it_is_revoked(world: World, admin: str) -> None:
    """At the next time the gateway asks."""
    made = world.ask("POST", "/api-keys", admin, {"name": "ci", "roles": ["reader"]}).body
    assert world.ask("GET", "/me", made["secret"]).status == 200
    world.ask("DELETE", f"/api-keys/{made['key']['key_id']}", admin)
    assert world.ask("GET", "/me", made["secret"]).status == 401


def test_a_key_stops_when_it_expires(world: World, admin: str) -> None:
    """To the second."""
    soon = world.clock.now() + timedelta(seconds=60)
    body = {"name": "ci", "roles": ["reader"], "expires_at": soon.isoformat()}
    secret = world.ask("POST", "/api-keys", admin, body).body["secret"]
    world.clock.advance(59)
    assert world.ask("GET", "/me", secret).status == 200
    world.clock.advance(1)
    assert world.ask("GET", "/me", secret).status == 401


def test_a_store_that_is_down_is_no_wrong_credential(world: World) -> None:
    """The authorizer fails, which the gateway answers as a failure and not as a refusal."""
    credential = world.key(Role.READER)
    world.close()
    with pytest.raises(Unavailable):
        decide(world, f"Bearer {credential}")


def test_a_view_without_an_authorizer_before_it_lets_nobody_in(world: World) -> None:
    """A gateway that forgot the authorizer, or sends a forged identity, meets a closed door."""
    contexts: list[dict[str, Any]] = [{}, {"authorizer": None}, {"authorizer": {}}]
    for context in [*contexts, {"authorizer": {"identity": "forged"}}]:
        event = {
            "requestContext": {"httpMethod": "GET", "resourcePath": "/me", **context},
            "headers": {},
            "pathParameters": None,
            "multiValueQueryStringParameters": None,
            "body": None,
            "stageVariables": None,
        }
        assert world.app(event, None)["statusCode"] == 401


def test_requests_on_many_threads_are_not_mixed_up(world: World) -> None:
    """One app answers many at once, each under its own name."""
    credentials = [world.key(Role.READER) for _ in range(4)]
    seen: dict[str, set[str]] = {credential: set() for credential in credentials}
    start = threading.Barrier(len(credentials))

    def call(credential: str) -> None:
        decision = decide(world, f"Bearer {credential}")
        start.wait(5)
        for _ in range(50):
            event = {
                "requestContext": {"httpMethod": "GET", "resourcePath": "/me", "authorizer": decision["context"]},
                "headers": {},
                "pathParameters": {},
                "multiValueQueryStringParameters": None,
                "body": None,
                "stageVariables": {},
            }
            seen[credential].add(world.app(event, None)["body"].split('"subject":"')[1].split('"')[0])

    threads = [threading.Thread(target=call, args=(credential,)) for credential in credentials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == {credential: {credential.removeprefix("rgs_")[:30]} for credential in credentials}
