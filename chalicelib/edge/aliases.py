"""Aliases: names that point to releases; `live` is moved by promotion and rollback alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.contracts.releases import AliasCreate, AliasPatch, AliasView
from chalicelib.domain.access import Permission
from chalicelib.domain.releases import LIVE, Alias
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.edge.releases import reached, refuse_adhoc
from chalicelib.errors import Conflict, NotFound

aliases = Resource("aliases", "Names that point to releases")


@aliases.post(
    "/aliases",
    permission=Permission.RELEASES_WRITE,
    body=AliasCreate,
    returns=AliasView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Make an alias",
)
def create_alias(call: Call[AliasCreate]) -> AliasView:
    """Questions can name it as their `release` at once, and chat front ends as their `model`."""
    given = call.input
    _refuse_live(given.name)
    release = reached(call, given.release)
    refuse_adhoc(release)
    alias = Alias(given.name, release.release_id, call.edge.clock.now(), call.principal.subject, given.reason)
    note = call.note("alias.create", f"aliases/{given.name}")
    return AliasView.model_validate(call.edge.aliases.create(call.principal.tenant, alias, note))


@aliases.get(
    "/aliases",
    permission=Permission.RELEASES_WRITE,
    query=NoQuery,
    returns=ListOf[AliasView],
    summary="List the aliases",
)
def list_aliases(call: Call[NoQuery]) -> ListOf[AliasView]:
    """By name, `live` among them; those of releases on indexes out of the caller's reach are left out."""
    found = [one for one in call.edge.aliases.all(call.principal.tenant) if is_reached(call, one)]
    return ListOf[AliasView](items=[AliasView.model_validate(one) for one in found])


@aliases.get(
    "/aliases/{alias}",
    permission=Permission.RELEASES_WRITE,
    query=NoQuery,
    returns=AliasView,
    revision=lambda view: view.version,
    summary="Read an alias",
)
def get_alias(call: Call[NoQuery]) -> AliasView:
    """The `ETag` names its version."""
    return AliasView.model_validate(_reached(call))


@aliases.get(
    "/aliases/{alias}/versions",
    permission=Permission.RELEASES_WRITE,
    query=PageQuery,
    returns=ListOf[AliasView],
    summary="List what an alias pointed to",
)
def list_alias_versions(call: Call[PageQuery]) -> ListOf[AliasView]:
    """Newest first, with who moved it, when and why; releases on indexes out of reach are left out."""
    name, page = _reached(call).name, call.input
    found, cursor = call.edge.aliases.versions(call.principal.tenant, name, limit=page.limit, cursor=page.cursor)
    shown = [one for one in found if is_reached(call, one)]
    return ListOf[AliasView](items=[AliasView.model_validate(one) for one in shown], next_cursor=cursor)


@aliases.patch(
    "/aliases/{alias}",
    permission=Permission.RELEASES_WRITE,
    body=AliasPatch,
    returns=AliasView,
    revision=lambda view: view.version,
    summary="Let an alias point elsewhere",
)
def change_alias(call: Call[AliasPatch]) -> AliasView:
    """From the next question on. `live` is moved by `POST /releases/{release}/promote`."""
    current = _reached(call)
    _refuse_live(current.name)
    call.check_version(f"Alias {current.name!r}", current.version)
    release = reached(call, call.input.release)
    refuse_adhoc(release)
    wanted = replace(
        current,
        release_id=release.release_id,
        updated_at=call.edge.clock.now(),
        updated_by=call.principal.subject,
        reason=call.input.reason,
    )
    note = call.note("alias.change", f"aliases/{current.name}")
    return AliasView.model_validate(call.edge.aliases.point(call.principal.tenant, wanted, note))


@aliases.delete(
    "/aliases/{alias}",
    permission=Permission.RELEASES_WRITE,
    returns=AliasView,
    one_revision=True,
    summary="Delete an alias",
)
def delete_alias(call: Call[NoQuery]) -> AliasView:
    """Questions that name it are not found from then on; what it was stays on record. `live` cannot be deleted."""
    current = _reached(call)
    _refuse_live(current.name)
    call.check_version(f"Alias {current.name!r}", current.version)
    note = call.note("alias.delete", f"aliases/{current.name}")
    return AliasView.model_validate(call.edge.aliases.delete(call.principal.tenant, current, note))


def _reached(call: Call[Any]) -> Alias:
    """Give the alias of the path, if its release is on an index within reach. Raises `NotFound`."""
    alias = call.edge.aliases.get(call.principal.tenant, call.path["alias"])
    if not is_reached(call, alias):
        raise NotFound(f"There is no alias {alias.name!r}.")
    return alias


def is_reached(call: Call[Any], alias: Alias) -> bool:
    """Say whether the release of *alias* is on an index within the caller's reach."""
    try:
        reached(call, alias.release_id)
    except NotFound:
        return False
    return True


def _refuse_live(name: str) -> None:
    if name == LIVE:
        raise Conflict(f"{LIVE!r} is moved by POST /releases/{{release}}/promote and POST /releases/rollback.")
