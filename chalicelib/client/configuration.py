"""What decides answers: releases and the aliases that point to them, prompts, and routes to models."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.client.calling import Caller, quoted
from chalicelib.contracts.components import Components
from chalicelib.contracts.gateway import ProviderView, ProviderViews, RouteState, RouteTest
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
from chalicelib.contracts.releases import (
    AgainstQuery,
    AliasCreate,
    AliasPatch,
    AliasView,
    Promotion,
    ReleaseCreate,
    ReleaseDiff,
    ReleaseView,
    Rollback,
)
from chalicelib.contracts.routes import RouteCreate, RoutePatch, RouteView
from chalicelib.domain.releases import LIVE


class Configuration(Caller):
    """What engineers settle."""

    def components(self) -> Components:
        """List what recipes and releases can be made of."""
        return self._get("/components", Components)

    # Releases and aliases

    def create_release(self, request: ReleaseCreate, *, idempotency_key: str | None = None) -> ReleaseView:
        """Write a release down; one with the same settings that is there already is given as it stands."""
        return self._create("/releases", request, ReleaseView, idempotency_key)

    def releases(self) -> Iterator[ReleaseView]:
        """List the releases, newest first."""
        return self._items("/releases", ReleaseView)

    def release(self, name_or_id: str) -> ReleaseView:
        """Give one release, by its id or an alias."""
        return self._get(f"/releases/{quoted(name_or_id)}", ReleaseView)

    def diff_release(self, name_or_id: str, *, against: str = LIVE) -> ReleaseDiff:
        """Say what distinguishes a release from another, setting by setting."""
        return self._get(f"/releases/{quoted(name_or_id)}/diff", ReleaseDiff, AgainstQuery(against=against))

    def promote_release(self, name_or_id: str, request: Promotion, *, idempotency_key: str | None = None) -> AliasView:
        """Let `live` point to a release; give the alias."""
        return self._create(f"/releases/{quoted(name_or_id)}/promote", request, AliasView, idempotency_key)

    def roll_back(self, request: Rollback, *, idempotency_key: str | None = None) -> AliasView:
        """Let `live` point to where it pointed before; give the alias."""
        return self._create("/releases/rollback", request, AliasView, idempotency_key)

    def create_alias(self, request: AliasCreate, *, idempotency_key: str | None = None) -> AliasView:
        """Make an alias."""
        return self._create("/aliases", request, AliasView, idempotency_key)

    def aliases(self) -> list[AliasView]:
        """List the aliases, by name."""
        return self._all("/aliases", AliasView)

    def alias(self, name: str) -> AliasView:
        """Give one alias."""
        return self._get(f"/aliases/{quoted(name)}", AliasView)

    def alias_versions(self, name: str) -> Iterator[AliasView]:
        """List what an alias was, newest first."""
        return self._items(f"/aliases/{quoted(name)}/versions", AliasView)

    def change_alias(self, name: str, request: AliasPatch, *, if_version: int | None = None) -> AliasView:
        """Let an alias point elsewhere; with *if_version*, only if it still has that one."""
        return self._change(f"/aliases/{quoted(name)}", request, AliasView, if_version)

    def delete_alias(self, name: str, *, if_version: int | None = None) -> AliasView:
        """Take an alias away; with *if_version*, only if it still has that one."""
        return self._delete(f"/aliases/{quoted(name)}", AliasView, if_version)

    # Prompts

    def create_prompt(self, request: PromptCreate, *, idempotency_key: str | None = None) -> PromptVersionView:
        """Make a prompt with its first version; give that."""
        return self._create("/prompts", request, PromptVersionView, idempotency_key)

    def prompts(self) -> list[PromptView]:
        """List the prompts, by name."""
        return self._all("/prompts", PromptView)

    def prompt(self, name: str) -> PromptView:
        """Give one prompt: its labels, and which version is the latest."""
        return self._get(f"/prompts/{quoted(name)}", PromptView)

    def change_prompt(self, name: str, request: PromptPatch, *, if_revision: int | None = None) -> PromptView:
        """Change labels or description; with *if_revision*, only if it still has that one."""
        return self._change(f"/prompts/{quoted(name)}", request, PromptView, if_revision)

    def create_prompt_version(
        self, name: str, request: PromptVersionCreate, *, idempotency_key: str | None = None
    ) -> PromptVersionView:
        """Add a version to a prompt."""
        return self._create(f"/prompts/{quoted(name)}/versions", request, PromptVersionView, idempotency_key)

    def prompt_versions(self, name: str) -> Iterator[PromptVersionView]:
        """List a prompt's versions, newest first."""
        return self._items(f"/prompts/{quoted(name)}/versions", PromptVersionView)

    def prompt_version(self, name: str, number_or_label: str) -> PromptVersionView:
        """Give one version of a prompt."""
        return self._get(f"/prompts/{quoted(name)}/versions/{quoted(number_or_label)}", PromptVersionView)

    def diff_prompt(self, name: str, query: PromptDiffQuery | None = None) -> PromptDiff:
        """Compare two versions of a prompt; by default the latest with the one before."""
        return self._get(f"/prompts/{quoted(name)}/diff", PromptDiff, query)

    def preview_prompt(self, request: PromptPreviewRequest) -> PromptPreview:
        """Give what a model would be told, with real passages; none is asked."""
        return self._post("/prompt-previews", request, PromptPreview)

    # Routes to models

    def create_route(self, request: RouteCreate, *, idempotency_key: str | None = None) -> RouteView:
        """Make a route."""
        return self._create("/routes", request, RouteView, idempotency_key)

    def routes(self) -> list[RouteView]:
        """List the routes, by name."""
        return self._all("/routes", RouteView)

    def route(self, name: str) -> RouteView:
        """Give one route."""
        return self._get(f"/routes/{quoted(name)}", RouteView)

    def route_versions(self, name: str) -> Iterator[RouteView]:
        """List what a route was, newest first."""
        return self._items(f"/routes/{quoted(name)}/versions", RouteView)

    def change_route(self, name: str, request: RoutePatch, *, if_version: int | None = None) -> RouteView:
        """Change a route; with *if_version*, only if it still has that one."""
        return self._change(f"/routes/{quoted(name)}", request, RouteView, if_version)

    def delete_route(self, name: str, *, if_version: int | None = None) -> RouteView:
        """Take a route away; with *if_version*, only if it still has that one."""
        return self._delete(f"/routes/{quoted(name)}", RouteView, if_version)

    def test_route(self, name: str) -> RouteTest:
        """Try every deployment of a route once."""
        return self._act(f"/routes/{quoted(name)}/test", RouteTest)

    def route_health(self, name: str) -> RouteState:
        """Say how every deployment of a route did lately."""
        return self._get(f"/routes/{quoted(name)}/health", RouteState)

    def providers(self) -> list[ProviderView]:
        """List the providers of models, and whether each has a key."""
        return self._get("/providers", ProviderViews).items
