"""Releases that are live, in one step."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.releases import LIVE, Release, ReleaseConfig, ReleaseStatus
from chalicelib.ports.table import Table
from chalicelib.repositories.aliases import Aliases
from chalicelib.repositories.releases import Releases


def go_live(table: Table, tenant: Tenant, config: ReleaseConfig, at: datetime, by: str = "eve") -> Release:
    """Make *config* the live release, unless it is, and give it."""
    releases = Releases(table)
    release = releases.create(tenant, Release(config, ReleaseStatus.DRAFT, at, by))
    if releases.alias(tenant, LIVE) != release.release_id:
        Aliases(table, releases).promote(tenant, release, at=at, by=by, reason="")
    return releases.get(tenant, release.release_id)
