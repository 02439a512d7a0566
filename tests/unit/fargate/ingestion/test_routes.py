"""The service over HTTP: who may, what is answered, and that the object behind does the work."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import PERMISSIONS, Permission, Role
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from fargate.ingestion.routes import router
from tests.fakes.identities import SIGNER, VERIFIER, principal
from tests.fakes.ingestion import Site

UPLOADS = {"index": "handbook", "files": [{"name": "a", "size_bytes": 1}]}
IMPORTS = {"index": "handbook", "files": [{"path": "2026/a", "size_bytes": 1}]}
BATCH = {"index": "handbook", "documents": [{"name": "a", "text": "A"}]}
CALLS = [
    ("POST", "/indexes", {"name": "new"}, Permission.INDEXES_WRITE, 201),
    ("POST", "/documents", {"index": "handbook", "name": "a.txt", "text": "One."}, Permission.DOCUMENTS_WRITE, 202),
    ("POST", "/imports", IMPORTS, Permission.DOCUMENTS_WRITE, 201),
    ("POST", "/batches", BATCH, Permission.DOCUMENTS_WRITE, 202),
    ("PATCH", "/documents/doc_none", {"acl": ["hr"]}, Permission.DOCUMENTS_WRITE, 404),
    ("POST", "/jobs/job_none/cancel", None, Permission.DOCUMENTS_WRITE, 404),
    ("POST", "/jobs/job_none/retry", None, Permission.DOCUMENTS_WRITE, 404),
    ("POST", "/uploads", UPLOADS, Permission.DOCUMENTS_WRITE, 201),
    ("POST", "/chunk-previews", {"chunker": {"name": "structure"}, "text": "One."}, Permission.KNOWLEDGE_READ, 200),
    ("GET", "/components", None, None, 200),
    ("DELETE", "/indexes/handbook", None, Permission.INDEXES_WRITE, 202),
]


@pytest.fixture
def client(site: Site) -> TestClient:
    identity = authenticate(VERIFIER)
    app = service_app("ingestion", [router(site.service, identity)], authenticate=identity, version="1")
    return TestClient(app)


def headers(role: Role) -> dict[str, str]:
    return {HEADER: SIGNER.sign(principal(role=role), datetime.now(UTC))}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "path", "body", "permission", "status"), CALLS)
def test_each_operation_asks_for_its_permission(
    client: TestClient, role: Role, method: str, path: str, body: object, permission: Permission | None, status: int
) -> None:
    """A role that has the permission (None: any role) is served, every other is refused, and nobody without a token."""
    expected = status if permission is None or permission in PERMISSIONS[role] else 403
    assert client.request(method, "/ingestion" + path, json=body, headers=headers(role)).status_code == expected
    assert client.request(method, "/ingestion" + path, json=body).status_code == 401


def test_a_document_is_taken_in_and_out(client: TestClient, site: Site) -> None:
    """The answers are those of the public API."""
    body = {"index": "handbook", "name": "a.txt", "text": "One."}
    accepted = client.post("/ingestion/documents", json=body, headers=headers(Role.EDITOR)).json()
    assert (accepted["document"]["status"], accepted["job"]["status"]) == ("pending", "queued")
    site.work()
    path = f"/ingestion/documents/{accepted['document']['document_id']}"
    assert client.delete(path, headers=headers(Role.READER)).status_code == 403
    deleted = client.delete(path, headers=headers(Role.EDITOR))
    assert (deleted.status_code, deleted.json()["job"]["kind"]) == (202, "delete")


def test_an_unknown_index_is_a_problem(client: TestClient) -> None:
    """Errors of the service come out as problems."""
    body = {"index": "none", "name": "a.txt", "text": "One."}
    answer = client.post("/ingestion/documents", json=body, headers=headers(Role.EDITOR))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
