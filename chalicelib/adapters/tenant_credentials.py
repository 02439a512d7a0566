"""Clients of AWS that can do nothing but for one tenant, whatever the code that holds them asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from chalicelib.adapters.aws_clients import config
from chalicelib.adapters.tenant_policy import Places, session_policy
from chalicelib.domain.access import Tenant

MAX_TENANTS = 256
"""How many tenants' clients are kept; then those used longest ago are let go."""
_SESSION_S = 3_600


class TenantClients:
    """
    Makes clients on *role_arn*, which the caller's own role may take on, narrowed to one tenant by a session policy.

    Credentials are asked for when a client is first used, and renewed beside while it is.
    """

    def __init__(self, role_arn: str, places: Places) -> None:
        self._role_arn = role_arn
        self._places = places
        self._source = botocore.session.get_session()
        self._session = lru_cache(MAX_TENANTS)(self._new_session)

    def client(self, service: str, tenant: Tenant) -> Any:
        """Give a client of *service* for *tenant*, to be closed by the caller."""
        return self._session(tenant).client(service, config=config(service))

    def _new_session(self, tenant: Tenant) -> boto3.session.Session:
        fetcher = AssumeRoleCredentialFetcher(
            self._source.create_client,
            self._source.get_credentials(),
            self._role_arn,
            extra_args={
                "RoleSessionName": tenant.tenant_id,
                "Policy": session_policy(tenant, self._places),
                "DurationSeconds": _SESSION_S,
            },
        )
        session = botocore.session.Session()
        # botocore has no public way to give a session credentials that renew themselves.
        session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # noqa: SLF001
        return boto3.session.Session(botocore_session=session, region_name=self._places.region)
