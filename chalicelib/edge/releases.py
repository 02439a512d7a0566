"""Releases: everything that decides an answer, written down, compared, promoted and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.contracts.releases import (
    AgainstQuery,
    AliasView,
    DifferenceView,
    Promotion,
    ReleaseCreate,
    ReleaseDiff,
    ReleaseView,
    RetrievalCheck,
    Rollback,
)
from chalicelib.domain.access import Permission, may_use_index
from chalicelib.domain.releases import (
    EXTRACTIVE,
    LIVE,
    Release,
    ReleaseConfig,
    ReleaseStatus,
    differences,
)
from chalicelib.domain.routes import RouteKind
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, InvalidRequest, NotFound
from chalicelib.repositories.effective_release import pinned

releases = Resource("releases", "Everything that decides an answer, and the names that point to it")

ALIAS_OF_LIVE = f"aliases/{LIVE}"


@releases.post(
    "/releases",
    permission=Permission.RELEASES_WRITE,
    body=ReleaseCreate,
    returns=ReleaseView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Write a release down",
)
def create_release(call: Call[ReleaseCreate]) -> ReleaseView:
    """
    A draft that questions can name at once; nobody gets it unasked before it is promoted.

    Its id is made from its settings: those of a release that there is already answer with that release as it stands.
    """
    config = _config(call)
    _check(call, config)
    draft = Release(config, ReleaseStatus.DRAFT, call.edge.clock.now(), call.principal.subject, call.input.notes)
    note = call.note("release.create", f"releases/{draft.release_id}")
    return ReleaseView.of(call.edge.releases.create(call.principal.tenant, draft, note))


@releases.get(
    "/releases",
    permission=Permission.RELEASES_WRITE,
    query=PageQuery,
    returns=ListOf[ReleaseView],
    summary="List the releases",
)
def list_releases(call: Call[PageQuery]) -> ListOf[ReleaseView]:
    """Newest first, on indexes within reach; the `adhoc` ones that only a question made are left out."""
    found, cursor = call.edge.releases.list(call.principal.tenant, limit=call.input.limit, cursor=call.input.cursor)
    reached = [one for one in found if may_use_index(call.principal, one.config.index)]
    return ListOf[ReleaseView](items=[ReleaseView.of(one) for one in reached], next_cursor=cursor)


@releases.get(
    "/releases/{release}",
    permission=Permission.RELEASES_WRITE,
    query=NoQuery,
    returns=ReleaseView,
    summary="Read a release",
)
def get_release(call: Call[NoQuery]) -> ReleaseView:
    """By its id, or by an alias; also one that only a question made."""
    return ReleaseView.of(reached(call, call.path["release"]))


@releases.get(
    "/releases/{release}/diff",
    permission=Permission.RELEASES_WRITE,
    query=AgainstQuery,
    returns=ReleaseDiff,
    summary="Compare a release with another one",
)
def diff_release(call: Call[AgainstQuery]) -> ReleaseDiff:
    """Each setting that differs: as it is in `against`, which is the live release unless named, and in this one."""
    after, before = reached(call, call.path["release"]), reached(call, call.input.against)
    found = differences(before.config, after.config)
    return ReleaseDiff(
        before=before.release_id,
        after=after.release_id,
        differences=[DifferenceView.model_validate(one) for one in found],
    )


@releases.post(
    "/releases/{release}/promote",
    permission=Permission.RELEASES_WRITE,
    body=Promotion,
    returns=AliasView,
    repeat=SAME_ANSWER,
    raises=(Conflict,),
    summary="Let a release answer from now on",
)
def promote_release(call: Call[Promotion]) -> AliasView:
    """
    `live` points to it, and the release before it retires, at once and together.

    A release that was not evaluated needs an `override_reason`, which stays on record.
    """
    release = reached(call, call.path["release"])
    refuse_adhoc(release)
    if release.status is not ReleaseStatus.EVALUATED and call.input.override_reason is None:
        raise Conflict(
            f"No evaluation of {release.release_id} has passed a gate; evaluate it, or give an override_reason."
        )
    call.edge.indexes.permitted(call.principal, release.config.index)
    _check(call, release.config)
    _check_live_within_reach(call)
    promoted = call.edge.aliases.promote(
        call.principal.tenant,
        release,
        at=call.edge.clock.now(),
        by=call.principal.subject,
        reason=call.input.override_reason or "",
        note=call.note("release.promote", ALIAS_OF_LIVE),
    )
    return AliasView.model_validate(promoted)


@releases.post(
    "/releases/rollback",
    permission=Permission.RELEASES_WRITE,
    body=Rollback,
    returns=AliasView,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Take the live release back",
)
def rollback_release(call: Call[Rollback]) -> AliasView:
    """The one that was live before it answers again, at once; done again, it goes one further back."""
    _check_live_within_reach(call)
    back = call.edge.aliases.rollback(
        call.principal.tenant,
        lambda release: _check_usable(call, release),
        at=call.edge.clock.now(),
        by=call.principal.subject,
        reason=call.input.reason,
        note=call.note("release.rollback", ALIAS_OF_LIVE),
    )
    return AliasView.model_validate(back)


def reached(call: Call[Any], name_or_id: str) -> Release:
    """Give a release on an index within the caller's reach. Raises `NotFound`."""
    release = call.edge.releases.resolve(call.principal.tenant, name_or_id)
    if not may_use_index(call.principal, release.config.index):
        raise NotFound(f"There is no release {name_or_id!r}.")
    return release


def refuse_adhoc(release: Release) -> None:
    """Raise `Conflict` for a release that only a question made: nothing points to what no list shows."""
    if release.status is ReleaseStatus.ADHOC:
        name = release.release_id
        raise Conflict(f"Only a question made {name}; write it down first: POST /releases, based on {name}.")


def _check_live_within_reach(call: Call[Any]) -> None:
    """Raise `NotFound` where the caller must not touch what is live."""
    if call.edge.releases.alias(call.principal.tenant, LIVE) is not None:
        reached(call, LIVE)


def _check_usable(call: Call[Any], release: Release) -> None:
    """Raise `NotFound` for a release out of reach, and `Conflict` for one whose index was deleted."""
    name = release.config.index
    if not may_use_index(call.principal, name):
        raise NotFound("There is no release to go back to.")
    try:
        call.edge.indexes.permitted(call.principal, name)
    except NotFound as gone:
        raise Conflict(f"{release.release_id} was live before, on the index {name!r}; promote another one.") from gone


def _config(call: Call[ReleaseCreate]) -> ReleaseConfig:
    given = call.input
    base = reached(call, given.based_on).config if given.based_on else None
    name = given.index or (base.index if base else None)
    if name is None:
        raise InvalidRequest("Name an index, or a release that this one is based on.")
    index = call.edge.indexes.permitted(call.principal, name)
    if base is None or base.index != name:
        built = index.generation
        plain = ReleaseConfig(name, built.number, built.recipe)
        base = replace(plain, retrieval=base.retrieval, answer=base.answer) if base else plain
    config = replace(base, retrieval=given.retrieval.over(base.retrieval), answer=given.answer.over(base.answer))
    return pinned(call.principal.tenant, config, call.edge.prompts)


def _check(call: Call[Any], config: ReleaseConfig) -> None:
    """Raise `InvalidRequest` for settings that no question could be answered under."""
    call.edge.wait(call.edge.retriever.check(call.principal, RetrievalCheck.of(config)))
    routes = call.edge.routes.all(call.principal.tenant)
    chat = {route.name for route in routes.values() if route.kind is RouteKind.CHAT}
    named = {"answer.model": config.answer.model, "answer.claims.judge": config.answer.claims.judge}
    faults = [
        {"loc": place.split("."), "msg": f"There is no chat route {name!r}"}
        for place, name in named.items()
        if name not in {None, EXTRACTIVE} | chat
    ]
    if faults:
        raise InvalidRequest(f"The release is not valid. {faults[0]['msg']}.", faults)
