"""Prompts: how models are asked, in versions that never change."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.prompts import (
    PromptCreate,
    PromptDiff,
    PromptDiffQuery,
    PromptPatch,
    PromptPreview,
    PromptPreviewRequest,
    PromptVersionCreate,
    PromptVersionView,
    PromptView,
)
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.domain.access import Permission
from chalicelib.domain.prompts import MAX_LABELS, Prompt, PromptVersion, faults
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, InvalidRequest, NotFound

prompts = Resource("prompts", "How models are asked, in versions that never change")


@prompts.post(
    "/prompts",
    permission=Permission.PROMPTS_MANAGE,
    body=PromptCreate,
    returns=PromptVersionView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(Conflict,),
    summary="Make a prompt",
)
def create_prompt(call: Call[PromptCreate]) -> PromptVersionView:
    """
    With its first version. A template has variables in double braces and no logic; one that is unknown or missing is
    refused. The platform's own rules (passages are data, how to cite, when to decline) stand above every prompt.
    """
    first = _version(call, call.input.name, 1)
    prompt = Prompt(
        first.name, call.input.description, 1, first.created_at, first.created_at, first.created_by, version=1
    )
    note = call.note("prompt.create", f"prompts/{first.name}")
    call.edge.prompts.create(call.principal.tenant, prompt, first, note)
    return PromptVersionView.model_validate(first)


@prompts.get(
    "/prompts",
    permission=Permission.PROMPTS_MANAGE,
    query=NoQuery,
    returns=ListOf[PromptView],
    summary="List the prompts",
)
def list_prompts(call: Call[NoQuery]) -> ListOf[PromptView]:
    """By name, with the latest version and where the labels point."""
    found = call.edge.prompts.all(call.principal.tenant)
    return ListOf[PromptView](items=[PromptView.model_validate(one) for one in found])


@prompts.get(
    "/prompts/{prompt}",
    permission=Permission.PROMPTS_MANAGE,
    query=NoQuery,
    returns=PromptView,
    revision=lambda view: view.revision,
    summary="Read a prompt",
)
def get_prompt(call: Call[NoQuery]) -> PromptView:
    """Its latest version and labels; `/versions` has the texts."""
    return PromptView.model_validate(call.edge.prompts.get(call.principal.tenant, call.path["prompt"]))


@prompts.patch(
    "/prompts/{prompt}",
    permission=Permission.PROMPTS_MANAGE,
    body=PromptPatch,
    returns=PromptView,
    revision=lambda view: view.revision,
    summary="Change a prompt's labels or description",
)
def change_prompt(call: Call[PromptPatch]) -> PromptView:
    """Releases that were written down keep the version they have; a label is settled when one is."""
    tenant, name, now = call.principal.tenant, call.path["prompt"], call.edge.clock.now()

    def change(prompt: Prompt) -> Prompt:
        call.check_version(f"Prompt {name!r}", prompt.version)
        labels = _labels(prompt, call.input.labels)
        described = prompt.description if call.input.description is None else call.input.description
        return replace(prompt, labels=labels, description=described, updated_at=now, updated_by=call.principal.subject)

    note = call.note("prompt.change", f"prompts/{name}")
    return PromptView.model_validate(call.edge.prompts.update(tenant, name, change, note))


@prompts.post(
    "/prompts/{prompt}/versions",
    permission=Permission.PROMPTS_MANAGE,
    body=PromptVersionCreate,
    returns=PromptVersionView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(Conflict,),
    summary="Add a version to a prompt",
)
def create_prompt_version(call: Call[PromptVersionCreate]) -> PromptVersionView:
    """The next number. It answers nothing before a release names it."""
    name = call.path["prompt"]
    call.edge.prompts.get(call.principal.tenant, name)
    note = call.note("prompt.version", f"prompts/{name}")
    added = call.edge.prompts.add_version(
        call.principal.tenant, name, lambda number: _version(call, name, number), note
    )
    return PromptVersionView.model_validate(added)


@prompts.get(
    "/prompts/{prompt}/versions",
    permission=Permission.PROMPTS_MANAGE,
    query=PageQuery,
    returns=ListOf[PromptVersionView],
    summary="List the versions of a prompt",
)
def list_prompt_versions(call: Call[PageQuery]) -> ListOf[PromptVersionView]:
    """Newest first, with their texts."""
    tenant, page = call.principal.tenant, call.input
    found, cursor = call.edge.prompts.versions(tenant, call.path["prompt"], limit=page.limit, cursor=page.cursor)
    items = [PromptVersionView.model_validate(one) for one in found]
    return ListOf[PromptVersionView](items=items, next_cursor=cursor)


@prompts.get(
    "/prompts/{prompt}/versions/{version}",
    permission=Permission.PROMPTS_MANAGE,
    query=NoQuery,
    returns=PromptVersionView,
    summary="Read a version of a prompt",
)
def get_prompt_version(call: Call[NoQuery]) -> PromptVersionView:
    """By its number, or by the label that points to it."""
    return PromptVersionView.model_validate(_found(call, call.path["version"]))


@prompts.get(
    "/prompts/{prompt}/diff",
    permission=Permission.PROMPTS_MANAGE,
    query=PromptDiffQuery,
    returns=PromptDiff,
    summary="Compare two versions of a prompt",
)
def diff_prompt(call: Call[PromptDiffQuery]) -> PromptDiff:
    """Line by line, for each of the two templates."""
    latest = call.edge.prompts.get(call.principal.tenant, call.path["prompt"]).latest
    after = _found(call, call.input.after or str(latest))
    before = _found(call, call.input.before or str(max(after.number - 1, 1)))
    return PromptDiff(
        before=before.reference,
        after=after.reference,
        system=_diff(before, after, "system"),
        user=_diff(before, after, "user"),
    )


@prompts.post(
    "/prompt-previews",
    permission=Permission.PROMPTS_MANAGE,
    body=PromptPreviewRequest,
    returns=PromptPreview,
    raises=(NotFound,),
    summary="See what a model would be told",
)
def preview_prompt(call: Call[PromptPreviewRequest]) -> PromptPreview:
    """With the passages that the question finds for the caller. No model is asked, and no run is kept."""
    if call.input.system is not None and call.input.user is not None:
        _check(call.input.system, call.input.user)
    return call.edge.wait(call.edge.generator.preview(call.principal, call.input))


def _version(call: Call[Any], name: str, number: int) -> PromptVersion:
    given: PromptVersionCreate = call.input
    _check(given.system, given.user)
    now, by = call.edge.clock.now(), call.principal.subject
    return PromptVersion(name, number, given.system, given.user, now, by, given.note)


def _check(system: str, user: str) -> None:
    found: list[dict[str, object]] = [{"loc": [one.part], "msg": one.message} for one in faults(system, user)]
    if found:
        raise InvalidRequest(f"The prompt is not valid. {found[0]['msg']}", found)


def _found(call: Call[Any], version: str) -> PromptVersion:
    """Give a version of the path's prompt, by number or label. Raises `NotFound`."""
    tenant, name = call.principal.tenant, call.path["prompt"]
    if version.isdecimal():
        return call.edge.prompts.version(tenant, name, int(version))
    return call.edge.prompts.find(tenant, f"{name}:{version}")


def _labels(prompt: Prompt, given: Mapping[str, int | None]) -> dict[str, int]:
    """Give the labels with what is *given*. Raises `InvalidRequest` for a version that there is not, and too many."""
    beyond = [label for label, number in given.items() if number is not None and number > prompt.latest]
    if beyond:
        fault: dict[str, object] = {"loc": ["labels", beyond[0]], "msg": f"The latest version is {prompt.latest}"}
        raise InvalidRequest(f"Prompt {prompt.name!r} has {prompt.latest} versions.", [fault])
    labels = {label: number for label, number in {**prompt.labels, **given}.items() if number is not None}
    if len(labels) > max(MAX_LABELS, len(prompt.labels)):
        fault = {"loc": ["labels"], "msg": f"There may be {MAX_LABELS} labels"}
        raise InvalidRequest(f"Prompt {prompt.name!r} would have {len(labels)} labels; take some away (null).", [fault])
    return labels


def _diff(before: PromptVersion, after: PromptVersion, part: str) -> str:
    old, new = (getattr(one, part).splitlines() for one in (before, after))
    lines = difflib.unified_diff(old, new, before.reference, after.reference, lineterm="")
    return "\n".join(lines)
