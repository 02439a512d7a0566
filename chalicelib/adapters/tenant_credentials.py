"""AWS credentials that can do nothing but for the tenant at hand, whatever the code that uses them asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore.credentials import Credentials, DeferredRefreshableCredentials, ReadOnlyCredentials

from chalicelib.adapters.aws_clients import LazyClient, aws_errors
from chalicelib.adapters.tenant_policy import Places, session_policy
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import Everyone, acting_for
from chalicelib.errors import ConfigurationError

MAX_TENANTS = 4_096
"""How many tenants' credentials are kept; then those used longest ago are asked for again."""
SESSION_S = 3_600
"""How long AWS lets a role live that another role took on."""

_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/\S+")


class TenantCredentials(Credentials):  # type: ignore[misc]  # botocore has no types
    """
    The credentials of the role *role_arn*, narrowed to the tenant for whom the task at hand works by a session policy.

    A client reads them anew for each request that it signs, so one client serves all tenants, each by credentials of
    its own. They are asked of STS when a tenant first needs them, and renewed a quarter of an hour before they end. The
    platform itself works with *platform*, the role of the process.
    """

    def __init__(self, role_arn: str, places: Places, platform: Credentials, sts: Any) -> None:
        super().__init__("", "")
        self._role_arn = role_arn
        self._places = places
        self._platform = platform
        self._sts = sts
        self._of = lru_cache(MAX_TENANTS)(self._of_tenant)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Give what the request at hand is to be signed with."""
        whom = acting_for()
        return (self._platform if isinstance(whom, Everyone) else self._of(whom)).get_frozen_credentials()

    def _of_tenant(self, tenant: Tenant) -> Credentials:
        return DeferredRefreshableCredentials(self._asked(tenant), "assume-role")

    def _asked(self, tenant: Tenant) -> Callable[[], Mapping[str, str]]:
        policy = session_policy(tenant, self._places)

        def ask() -> Mapping[str, str]:
            with aws_errors("The role for tenants"):
                given = self._sts.assume_role(
                    RoleArn=self._role_arn, RoleSessionName=tenant.tenant_id, Policy=policy, DurationSeconds=SESSION_S
                )["Credentials"]
            expires_at: datetime = given["Expiration"]
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": expires_at.isoformat(),
            }

        return ask


def tenant_session(
    role_arn: str, *, table_prefix: str, buckets: Sequence[str], vector_bucket: str | None
) -> boto3.session.Session:
    """
    Give the session whose clients work with `TenantCredentials`; what they reach is in the account of *role_arn*.

    Raises `ConfigurationError` for what is no role, and where no region or no credentials are configured.
    """
    platform = boto3.session.Session()
    region, own = platform.region_name, platform.get_credentials()
    if region is None or own is None:
        raise ConfigurationError("RAGSTONE_TENANT_ROLE_ARN", "needs a region and credentials of AWS beside it")
    role = _ROLE.fullmatch(role_arn)
    if role is None:
        raise ConfigurationError("RAGSTONE_TENANT_ROLE_ARN", f"{role_arn!r} is not the ARN of an IAM role")
    places = Places(region, role["account"], table_prefix, buckets, vector_bucket, role["partition"])
    session = botocore.session.get_session()
    session.register_component(
        "credential_provider", _Given(TenantCredentials(role_arn, places, own, LazyClient("sts")))
    )
    return boto3.session.Session(botocore_session=session, region_name=region)


@dataclass(frozen=True, slots=True)
class _Given:
    """Where a session finds its credentials."""

    credentials: Credentials

    def load_credentials(self) -> Credentials:
        """Give them."""
        return self.credentials
