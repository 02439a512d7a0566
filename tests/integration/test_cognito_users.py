"""Users of a Cognito pool at the API: RS256 against the pool's keys, attributes and groups as tenant, role and ACL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.bootstrap import core
from chalicelib.edge.assembly import user_tokens
from chalicelib.settings import Settings
from tests.fakes.aws import Aws
from tests.fakes.cognito import UserPool
from tests.fakes.edge_world import World


@dataclass(frozen=True)
class SignedIn:
    """A platform that takes the tokens of one app of one pool."""

    world: World
    pool: UserPool
    app: str

    def token(self, name: str, *, groups: tuple[str, ...] = (), **attributes: str) -> str:
        """Make a user, and sign it in."""
        self.pool.user(name, groups=groups, **attributes)
        return self.pool.sign_in(name, self.app)


@pytest.fixture
def signed_in(aws: Aws, tmp_path: Path) -> Iterator[SignedIn]:
    pool = UserPool.of(aws)
    app = pool.app("console")
    settings = Settings(data_dir=tmp_path, jwt_issuer=pool.issuer, jwks_url=pool.jwks_url, jwt_audience=app)
    with core(settings) as base:
        world = World(tmp_path, users=user_tokens(base))
        yield SignedIn(world, pool, app)
        world.close()


def test_a_user_is_who_the_pool_says(signed_in: SignedIn) -> None:
    """Tenant and role from the attributes, groups from the pool's; what the role allows is open, the rest is not."""
    token = signed_in.token("ann", groups=("hr", "legal"), tenant="acme", role="editor")
    me = signed_in.world.ask("GET", "/me", token)
    assert me.status == 200
    assert (me.body["tenant"], me.body["roles"], sorted(me.body["groups"])) == ("acme", ["editor"], ["hr", "legal"])
    assert signed_in.world.ask("GET", "/documents", token).status == 200
    assert signed_in.world.ask("GET", "/audit-events", token).status == 403


def test_users_of_two_tenants_do_not_meet(signed_in: SignedIn) -> None:
    """One pool may serve several tenants."""
    ann = signed_in.token("ann", tenant="acme", role="engineer")
    bob = signed_in.token("bob", tenant="globex", role="engineer")
    signed_in.world.make_index(ann)
    assert signed_in.world.ask("GET", "/indexes/handbook", ann).status == 200
    assert signed_in.world.ask("GET", "/indexes/handbook", bob).status == 404


@pytest.mark.parametrize("role", ["", "owner", "service"])
def test_a_user_without_a_role_of_users_may_do_nothing(signed_in: SignedIn, role: str) -> None:
    """Least of all what only services may."""
    token = signed_in.token("eve", tenant="acme", role=role)
    assert signed_in.world.ask("GET", "/documents", token).status == 403


def test_a_user_without_a_tenant_is_nobody(signed_in: SignedIn) -> None:
    """The pool must say whose users they are."""
    token = signed_in.token("eve", role="admin")
    assert signed_in.world.ask("GET", "/me", token).status == 401


def test_tokens_of_another_app_or_pool_are_refused(signed_in: SignedIn, aws: Aws) -> None:
    """Though the signature is right: in moto all pools have one key."""
    signed_in.pool.user("ann", tenant="acme", role="admin")
    other_app = signed_in.pool.sign_in("ann", signed_in.pool.app("another"))
    other_pool = UserPool.of(aws)
    other_pool.user("ann", tenant="acme", role="admin")
    for token in (other_app, other_pool.sign_in("ann", other_pool.app("console"))):
        assert signed_in.world.ask("GET", "/me", token).status == 401


def test_an_access_token_names_no_tenant(signed_in: SignedIn) -> None:
    """Cognito puts attributes into id tokens only; a pool's trigger may add them to access tokens."""
    signed_in.pool.user("ann", tenant="acme", role="admin")
    token = signed_in.pool.sign_in("ann", signed_in.app, "AccessToken")
    assert signed_in.world.ask("GET", "/me", token).status == 401
