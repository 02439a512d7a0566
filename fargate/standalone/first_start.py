"""What the first start makes: the admin key, the sample index and its documents, and the live release."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.credentials import ApiKey, credential, digest_of, new_secret
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.identifiers import KeyId, new_id
from chalicelib.domain.releases import LIVE, Release, ReleaseConfig, ReleaseStatus
from chalicelib.errors import Conflict
from chalicelib.ports.clock import Clock
from chalicelib.ports.services import Ingestor
from chalicelib.ports.table import Table
from chalicelib.repositories.aliases import Aliases
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.releases import Releases

ADMIN_KEY_FILE = "admin.key"
SAMPLE_INDEX = "sample"
SAMPLE_LOADED_FILE = "sample.loaded"
SAMPLE_QUESTION = "Can I stop a DB instance that has a read replica?"
# Its answer stands here, so it goes first and can be given while the others are still being read.
SAMPLE_FIRST = "amazon-rds-user-guide/USER_StopInstance.md"

_UNFINISHED = (DocumentStatus.PENDING, DocumentStatus.PROCESSING)
_SAMPLE = Path(__file__).parent / "sample"
_MEDIA_TYPES = {
    ".md": "text/markdown",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


@dataclass(frozen=True, slots=True)
class AdminKey:
    """The bootstrap admin key; *fresh* when it was made just now."""

    credential: str
    fresh: bool


def admin(tenant: Tenant) -> Principal:
    """Give the principal that the platform acts as on its first start."""
    return Principal(tenant, "bootstrap", frozenset({Role.ADMIN}))


def ensure_admin_key(data_dir: Path, tenant: Tenant, api_keys: ApiKeys, clock: Clock) -> AdminKey:
    """Give the key in `<data>/admin.key`, making it first where there is none."""
    path = data_dir / ADMIN_KEY_FILE
    if path.exists():
        return AdminKey(path.read_text(encoding="ascii").strip(), fresh=False)
    key_id, secret = KeyId(new_id("key", clock.now())), new_secret()
    key = ApiKey(
        key_id,
        tenant.tenant_id,
        "bootstrap admin",
        digest_of(secret),
        roles=frozenset({Role.ADMIN}),
        groups=frozenset(),
        created_at=clock.now(),
        created_by="bootstrap",
    )
    api_keys.add(key)
    _write_private(path, credential(key_id, secret) + "\n")
    return AdminKey(credential(key_id, secret), fresh=True)


async def ensure_sample_release(ingestor: Ingestor, table: Table, principal: Principal, clock: Clock) -> None:
    """Make the sample index and let `live` point to a release on it, unless the tenant has a live release."""
    tenant, releases = principal.tenant, Releases(table)
    if releases.alias(tenant, LIVE) is not None:
        return
    description = "Pages of the AWS documentation of 2021 (CC BY 4.0)"
    with suppress(Conflict):  # it exists when an earlier start was stopped before the release was made
        await ingestor.create_index(principal, IndexCreate(name=SAMPLE_INDEX, description=description))
    index, now = Indexes(table).get(tenant, SAMPLE_INDEX), clock.now()
    config = ReleaseConfig(index.name, index.generation.number, index.generation.recipe)
    draft = Release(config, ReleaseStatus.DRAFT, now, principal.subject, {"made_by": "first start"})
    release = releases.create(tenant, draft)
    Aliases(table, releases).promote(tenant, release, at=now, by=principal.subject, reason="first start")


def sample_is_loaded(data_dir: Path) -> bool:
    """Say whether the sample was loaded once; a document of it that was deleted since stays deleted."""
    return (data_dir / SAMPLE_LOADED_FILE).exists()


def mark_sample_loaded(data_dir: Path) -> None:
    """Remember that the sample was loaded."""
    (data_dir / SAMPLE_LOADED_FILE).touch()


async def submit_sample(ingestor: Ingestor, documents: Documents, principal: Principal) -> int:
    """Submit the sample documents that the index has not, after a start that was cut off too; give how many it has."""
    files = sample_documents()
    for path in files:
        external_id = path.relative_to(_SAMPLE / "documents").as_posix()
        if documents.by_external_id(principal.tenant, SAMPLE_INDEX, external_id) is None:
            await ingestor.submit(principal, _request(path, external_id))
    return len(files)


def sample_answer_pending(documents: Documents, tenant: Tenant) -> bool:
    """Say whether the document that answers `SAMPLE_QUESTION` is still being read."""
    document_id = documents.by_external_id(tenant, SAMPLE_INDEX, SAMPLE_FIRST)
    return document_id is not None and documents.get(tenant, document_id).status in _UNFINISHED


def sample_pending(documents: Documents, tenant: Tenant) -> bool:
    """Say whether some document of the sample index is still being read."""
    return any(document.status in _UNFINISHED for document in documents.all_of(tenant, SAMPLE_INDEX))


def sample_documents() -> list[Path]:
    """Give the sample files: the one that answers `SAMPLE_QUESTION` first, then by size."""
    files = (path for path in (_SAMPLE / "documents").rglob("*") if path.is_file())
    return sorted(files, key=lambda path: (not path.as_posix().endswith(SAMPLE_FIRST), path.stat().st_size))


def golden_cases() -> Iterator[dict[str, str]]:
    """Give the sample's golden questions: `question`, `answer`, and the external id of the `document` that says so."""
    for line in (_SAMPLE / "golden.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _request(path: Path, external_id: str) -> DocumentCreate:
    return DocumentCreate(
        index=SAMPLE_INDEX,
        name=path.name,
        media_type=_MEDIA_TYPES[path.suffix],
        external_id=external_id,
        language="en",
        metadata={"guide": path.parent.name},
        content_base64=base64.b64encode(path.read_bytes()).decode(),
    )


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
