"""Clients for one tenant take on the role with that tenant's policy, and keep what they got."""

from __future__ import annotations

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sts.models import sts_backends

from chalicelib.adapters.tenant_credentials import TenantClients
from chalicelib.adapters.tenant_policy import Places, session_policy
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import TenantId
from tests.fakes.aws import REGION, Aws

ACME, GLOBEX = Tenant(TenantId("acme")), Tenant(TenantId("globex"))
ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/ragstone-tenant"
PLACES = Places(REGION, DEFAULT_ACCOUNT_ID, "ragstone-", ["raw"])


def test_each_tenant_gets_credentials_of_its_own_once(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients of it are made; none are asked for before they are used."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    assumed = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles
    before = len(assumed)
    clients = TenantClients(ROLE, PLACES)
    made = [clients.client(service, tenant) for tenant in (ACME, GLOBEX) for service in ("s3", "sqs")]
    assert len(assumed) == before
    for client in made:
        client.list_buckets() if client.meta.service_model.service_name == "s3" else client.list_queues()
        client.close()
    assert [(role.session_name, role.policy) for role in assumed[before:]] == [
        (tenant.tenant_id, session_policy(tenant, PLACES)) for tenant in (ACME, GLOBEX)
    ]
    assert {role.role_arn for role in assumed[before:]} == {ROLE}
