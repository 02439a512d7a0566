"""The deployment templates on an emulator of AWS: what is kept, and the API, asked by HTTP."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.bootstrap import core
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.ports.table import TableName
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.settings import Settings
from fargate.standalone.first_start import ensure_admin_key
from tests.emulator.stacks import deployed

pytestmark = pytest.mark.emulator
ACME = Tenant(TenantId("acme"))


@dataclass(frozen=True)
class Api:
    """Where the API answers, and an administrator's key."""

    address: str
    key: str

    def ask(self, path: str, key: str | None = None, body: object = None) -> tuple[int, Message, Any]:
        """Give status, headers and body of an answer; with a *body*, it is POSTed."""
        headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers, json.load(refused)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Deploy, and make a key as an administrator of the account can: in the tables that the template made."""
    url = os.environ.get("AWS_ENDPOINT_URL")
    if url is None:
        pytest.skip("there is no emulator; `make test-emulator` starts one")
    folder = tmp_path_factory.mktemp("deployment")
    with deployed(url) as (address, kept), core(_settings(kept, folder)) as base:
        key = ensure_admin_key(folder, ACME, ApiKeys(base.table), base.clock)
        yield Api(address, key.credential)


def _settings(kept: Mapping[str, str], folder: Path) -> Settings:
    return Settings.from_env(
        {
            "RAGSTONE_STORES": "aws",
            "RAGSTONE_DATA_DIR": str(folder),
            "RAGSTONE_TABLE_PREFIX": "ragstone-",
            "RAGSTONE_SECRETS_PREFIX": "ragstone/",
            "RAGSTONE_INGESTION_QUEUE_URL": kept["IngestionQueueUrl"],
            "RAGSTONE_EVALUATION_QUEUE_URL": kept["EvaluationQueueUrl"],
            **{
                f"RAGSTONE_{name.upper()}_BUCKET": kept[f"{name}Bucket"]
                for name in ("Raw", "Chunks", "Evaluations", "Imports")
            },
        }
    )


def test_the_api_answers_through_the_gateway(api: Api) -> None:
    """The Lambda runs the package of this checkout."""
    status, headers, body = api.ask("/health")
    assert (status, body["status"]) == (200, "ok")
    assert headers["x-trace-id"]


def test_the_tables_are_those_of_the_platform(api: Api) -> None:
    """One for each family."""
    names = boto3.client("dynamodb").list_tables()["TableNames"]
    assert {f"ragstone-{table}" for table in TableName} <= set(names)


@pytest.mark.parametrize("key", [None, "rgs_nobody_nothing"])
def test_whoever_is_not_known_is_refused(api: Api, key: str | None) -> None:
    """By API Gateway itself, before the view's Lambda."""
    assert api.ask("/documents", key)[0] in {401, 403}


def test_a_key_is_known_by_the_authorizer_and_reads_its_tenants_rows(api: Api) -> None:
    """By credentials of the tenant's own, which STS gives the Lambda's role."""
    assert api.ask("/documents", api.key)[2] == {"items": [], "next_cursor": None}
    (found,) = api.ask("/api-keys", api.key)[2]["items"]
    assert found["name"] == "bootstrap admin"


def test_what_is_not_there_is_told_as_everywhere(api: Api) -> None:
    """A problem with a code, of the platform's own."""
    status, headers, body = api.ask("/documents/doc_none", api.key)
    assert (status, headers["content-type"], body["code"]) == (404, "application/problem+json", "not_found")


def test_what_one_request_writes_another_reads(api: Api) -> None:
    """A key that the API makes opens it, as far as its role goes."""
    asked = {"name": "an editor", "roles": ["editor"]}
    status, _, made = api.ask("/api-keys", api.key, asked)
    assert status == 201
    assert api.ask("/documents", made["secret"])[0] == 200
    assert api.ask("/api-keys", made["secret"])[2]["code"] == "forbidden"
