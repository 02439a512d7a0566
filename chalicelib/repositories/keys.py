"""
The only maker of partition and sort keys, blob paths and vector index names; each takes a `Tenant`.

Every partition key and blob path begins with the tenant's id, so that an IAM policy can hold a caller to it
(`dynamodb:LeadingKeys`, S3 prefixes). What belongs to no tenant stands under `PLATFORM`, which no tenant can be called.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.batches import check_import_path, check_import_prefix
from chalicelib.domain.budgets import Account
from chalicelib.domain.identifiers import (
    AttemptId,
    ChunkId,
    DocumentId,
    FeedbackId,
    JobId,
    KeyId,
    ReleaseId,
    RunId,
    TenantId,
    first_of,
)
from chalicelib.domain.ledger import UsageCell
from chalicelib.ports.blobs import BlobKey, Bucket
from chalicelib.ports.table import Key, TableName
from chalicelib.ports.vectors import VectorIndexName

PLATFORM = "_platform"
FEEDBACK = TableName.FEEDBACK

UNFINISHED_SHARDS = 8
_TEXT = ".json"


def document(tenant: Tenant, document_id: DocumentId) -> Key:
    """Name a document's row."""
    return Key(TableName.DOCUMENTS, f"{tenant.tenant_id}#{document_id}", "document")


def document_version(tenant: Tenant, document_id: DocumentId, number: int) -> Key:
    """Name the row of one version; its sort key orders versions by number."""
    return Key(TableName.DOCUMENTS, f"{tenant.tenant_id}#{document_id}", f"version#{number:08d}")


def attachment(tenant: Tenant, holder: DocumentId, document_id: DocumentId) -> Key:
    """Name the row that says which attachment was found in a document; it stands among the holder's own."""
    return Key(TableName.DOCUMENTS, f"{tenant.tenant_id}#{holder}", f"attachment#{document_id}")


def external_id(tenant: Tenant, index: str, external: str) -> Key:
    """Name the row that says which document bears an external id; hashed, since one may be long."""
    return Key(TableName.DOCUMENTS, f"{tenant.tenant_id}#external#{index}#{_digest(external)}", "external")


def documents_of(tenant: Tenant, index: str | None) -> str:
    """Name the secondary partition that lists documents: of one index, or of the whole tenant."""
    return f"{tenant.tenant_id}#documents" if index is None else f"{tenant.tenant_id}#documents#{index}"


def chunk(tenant: Tenant, document_id: DocumentId, chunk_id: ChunkId) -> Key:
    """Name a chunk's row."""
    return Key(TableName.CHUNKS, f"{tenant.tenant_id}#{document_id}", chunk_id)


def index(tenant: Tenant, name: str) -> Key:
    """Name an index's row."""
    return Key(TableName.INDEXES, f"{tenant.tenant_id}#indexes", name)


def job(tenant: Tenant, job_id: JobId) -> Key:
    """Name a job's row."""
    return Key(TableName.JOBS, f"{tenant.tenant_id}#{job_id}", "job")


def jobs_of(tenant: Tenant) -> str:
    """Name the secondary partition that lists a tenant's jobs."""
    return f"{tenant.tenant_id}#jobs"


def children_of(tenant: Tenant, parent: JobId) -> str:
    """Name the secondary partition that lists a job's children; they stand in no other list."""
    return f"{tenant.tenant_id}#jobs#{parent}"


def unfinished_jobs(shard: int) -> str:
    """
    Name one of `UNFINISHED_SHARDS` secondary partitions that hold the jobs of all tenants which have not ended.

    Several, because DynamoDB takes at most 1,000 writes a second to one.
    """
    return f"{PLATFORM}#unfinished-jobs#{shard}"


def shard_of(job_id: JobId) -> int:
    """Say in which shard an unfinished job is listed."""
    return ord(job_id[-1]) % UNFINISHED_SHARDS


def tenant_of(key: Key) -> Tenant:
    """Give the tenant whose row stands at *key*."""
    return Tenant(TenantId(key.partition.partition("#")[0]))


def run(tenant: Tenant, run_id: RunId) -> Key:
    """Name a run's row."""
    return Key(TableName.RUNS, f"{tenant.tenant_id}#{run_id}", "run")


def mention(tenant: Tenant, document_id: DocumentId, run_id: RunId) -> Key:
    """Name the row that says a run holds text of a document."""
    return Key(TableName.RUNS, f"{tenant.tenant_id}#{document_id}", f"run#{run_id}")


def runs_of(tenant: Tenant) -> str:
    """Name the secondary partition that lists a tenant's runs."""
    return f"{tenant.tenant_id}#runs"


def remembered_answer(tenant: Tenant, fingerprint: str) -> Key:
    """Name the row that says which run answered what *fingerprint* stands for."""
    return Key(TableName.RUNS, f"{tenant.tenant_id}#answer#{fingerprint}", "answer")


def feedback(tenant: Tenant, feedback_id: FeedbackId) -> Key:
    """Name the row of one person's feedback on one run."""
    return Key(FEEDBACK, f"{tenant.tenant_id}#{feedback_id}", "feedback")


def feedback_revision(tenant: Tenant, feedback_id: FeedbackId, number: int) -> Key:
    """Name the row of what was said at one time; they are ordered by number."""
    return Key(FEEDBACK, f"{tenant.tenant_id}#{feedback_id}", f"revision#{number:08d}")


def feedback_on_run(tenant: Tenant, run_id: RunId, feedback_id: FeedbackId) -> Key:
    """Name the row that says a run has feedback."""
    return Key(FEEDBACK, f"{tenant.tenant_id}#{run_id}", f"feedback#{feedback_id}")


def feedback_mention(tenant: Tenant, document_id: DocumentId, feedback_id: FeedbackId) -> Key:
    """Name the row that says feedback may repeat text of a document."""
    return Key(FEEDBACK, f"{tenant.tenant_id}#{document_id}", f"feedback#{feedback_id}")


def feedback_of(tenant: Tenant, status: str | None) -> str:
    """Name the secondary partition that lists feedback: all of a tenant's, or what has one status."""
    return f"{tenant.tenant_id}#feedback" if status is None else f"{tenant.tenant_id}#feedback#{status}"


def feedback_since(at: datetime) -> str:
    """Give what the place in those lists begins with, for feedback first given then; they are in order of time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def feedback_writes_of_token(tenant: Tenant, token_id: str) -> Key:
    """Name the row that counts what was sent with a token."""
    return Key(FEEDBACK, f"{tenant.tenant_id}#writes#{token_id}", "writes")


def feedback_writes_of_day(tenant: Tenant, day: date) -> Key:
    """Name the row that counts what pages sent in a day."""
    return Key(FEEDBACK, f"{tenant.tenant_id}#writes#{day.isoformat()}", "writes")


def release(tenant: Tenant, release_id: ReleaseId) -> Key:
    """Name a release's row."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#releases", release_id)


def releases_of(tenant: Tenant) -> str:
    """Name the secondary partition that lists a tenant's releases but for those that only a question made."""
    return f"{tenant.tenant_id}#releases"


def alias(tenant: Tenant, name: str) -> Key:
    """Name the row that says which release an alias points to."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#aliases", name)


def alias_version(tenant: Tenant, name: str, number: int) -> Key:
    """Name the row of what an alias pointed to at one time; they are ordered by number."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#aliases#{name}", f"version#{number:08d}")


def prompt(tenant: Tenant, name: str) -> Key:
    """Name a prompt's row."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#prompts", name)


def prompt_version(tenant: Tenant, name: str, number: int) -> Key:
    """Name the row of one version of a prompt; versions are ordered by number."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#prompts#{name}", f"version#{number:08d}")


def route(tenant: Tenant, name: str) -> Key:
    """Name a gateway route's row."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#routes", name)


def route_version(tenant: Tenant, name: str, number: int) -> Key:
    """Name the row of one version of a route; versions are ordered by number."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#routes#{name}", f"version#{number:08d}")


def tenant_settings(tenant: Tenant) -> Key:
    """Name the row of what a tenant decides for itself."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#tenant", "settings")


def schedule(tenant: Tenant, name: str) -> Key:
    """Name a schedule's row; it stands among the jobs, which whoever runs it may write."""
    return Key(TableName.JOBS, f"{tenant.tenant_id}#schedules", name)


def due_schedules() -> str:
    """Name the secondary partition that holds the enabled schedules of all tenants by when they are due."""
    return f"{PLATFORM}#due-schedules"


def audit_event(tenant: Tenant, event_id: str) -> Key:
    """Name an audit event's row; they are in order of time."""
    return Key(TableName.AUDIT, f"{tenant.tenant_id}#audit", event_id)


def audit_of(tenant: Tenant, resource: str) -> str:
    """Name the secondary partition that lists the audit events of one thing."""
    return f"{tenant.tenant_id}#audit#{resource}"


def budget(tenant: Tenant, name: str) -> Key:
    """Name a budget's row."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#budgets", name)


def counter(tenant: Tenant, account: Account) -> Key:
    """Name the row that counts for an account; the subject is hashed, since clients may name users as they like."""
    start = account.start.date().isoformat()
    sort = f"{account.scope}#{account.period}#{start}#{_digest(account.subject)}"
    return Key(TableName.LEDGER, f"{tenant.tenant_id}#counters#{account.budget}", sort)


def reservation(tenant: Tenant, call_id: str, attempt: int, expires_at: int) -> Key:
    """Name the row of what is set aside for an upstream call; those that expire first come first."""
    return Key(TableName.LEDGER, f"{tenant.tenant_id}#reservations", f"{expires_at:012d}#{call_id}#{attempt}")


def ledger_entry(tenant: Tenant, call_id: str, attempt: int) -> Key:
    """Name the row of an upstream call."""
    return Key(TableName.LEDGER, f"{tenant.tenant_id}#{call_id}", f"attempt#{attempt:03d}")


def entries_of(tenant: Tenant) -> str:
    """Name the secondary partition that lists a tenant's upstream calls by time."""
    return f"{tenant.tenant_id}#entries"


def usage_cell(tenant: Tenant, cell: UsageCell) -> Key:
    """Name the row of a day's sums; those by user stand apart, so that reading the others stays cheap."""
    by = "" if cell.user is None else "-by-user"
    names = json.dumps([cell.model, cell.route, cell.release, cell.user])
    return Key(TableName.LEDGER, f"{tenant.tenant_id}#usage{by}", f"{cell.day.isoformat()}#{_digest(names)}")


def idempotency(tenant: Tenant, subject: str, key: str) -> Key:
    """Name the record of a request made under an idempotency key by one subject."""
    return Key(TableName.CONFIG, f"{tenant.tenant_id}#idempotency#{_digest(subject + '#' + key)}", "request")


def api_key(key_id: KeyId) -> Key:
    """Name an API key's row; it is read before its tenant is known, so it stands under the platform."""
    return Key(TableName.CONFIG, f"{PLATFORM}#{key_id}", "api-key")


def api_keys_of(tenant: Tenant) -> str:
    """Name the secondary partition that lists a tenant's API keys."""
    return f"{tenant.tenant_id}#api-keys"


def raw_blob(tenant: Tenant, document_id: DocumentId, attempt: AttemptId) -> BlobKey:
    """Name the bytes of one version as they were sent; a retry of *attempt* reads the same."""
    return BlobKey(Bucket.RAW, f"{tenant.tenant_id}/{document_id}/{first_of(attempt)}")


def blob_owner(key: BlobKey) -> tuple[Tenant, DocumentId, AttemptId]:
    """Give back what `raw_blob` or `text_blob` made *key* from. Raises `ValueError` for a key that neither made."""
    tenant_id, document_id, name = key.path.split("/")
    attempt = name.removesuffix(_TEXT) if key.bucket is Bucket.CHUNKS else name
    if not (document_id.startswith("doc_") and attempt.startswith("att_")):
        raise ValueError(f"{key.path!r} belongs to no document")
    return Tenant(TenantId(tenant_id)), DocumentId(document_id), AttemptId(attempt)


def import_blob(tenant: Tenant, index: str, path: str) -> BlobKey:
    """Name a file that waits in the import area of an index. Raises `ValueError` for a path that could lead out."""
    return BlobKey(Bucket.IMPORTS, imports_of(tenant, index) + check_import_path(path))


def imports_of(tenant: Tenant, index: str, prefix: str = "") -> str:
    """Give the prefix of the files in an import area whose own paths begin with *prefix*. Raises likewise."""
    return f"{tenant.tenant_id}/{index}/{check_import_prefix(prefix)}"


def manifest_blob(tenant: Tenant, job_id: JobId) -> BlobKey:
    """Name a batch's own copy of its manifest; no index has a name that begins so."""
    return BlobKey(Bucket.IMPORTS, f"{tenant.tenant_id}/_manifests/{job_id}.jsonl")


def text_blob(tenant: Tenant, document_id: DocumentId, attempt: AttemptId) -> BlobKey:
    """Name the parsed text and blocks of one version."""
    return BlobKey(Bucket.CHUNKS, f"{tenant.tenant_id}/{document_id}/{attempt}{_TEXT}")


def blobs_of(tenant: Tenant, document_id: DocumentId) -> str:
    """Give the prefix, in any bucket, of everything kept of a document."""
    return f"{tenant.tenant_id}/{document_id}/"


def blobs_of_tenant(tenant: Tenant) -> str:
    """Give the prefix, in any bucket, of everything kept of a tenant."""
    return f"{tenant.tenant_id}/"


def vector_index(tenant: Tenant, name: str, generation: int) -> VectorIndexName:
    """Name the physical index; the dots cannot stand in a tenant's id or an index's name, so no two names meet."""
    return VectorIndexName(f"{tenant.tenant_id}.{name}.g{generation}")


def vector_indexes(tenant: Tenant, name: str) -> str:
    """Give the prefix of the physical indexes of every generation."""
    return f"{tenant.tenant_id}.{name}.g"


def rows_of_tenant(tenant: Tenant) -> str:
    """Give what every partition key of a tenant's rows begins with."""
    return f"{tenant.tenant_id}#"


def rows_of_platform() -> str:
    """Give what every partition key begins with that belongs to no tenant."""
    return f"{PLATFORM}#"


def vector_indexes_of_tenant(tenant: Tenant) -> str:
    """Give the prefix of all physical indexes of a tenant."""
    return f"{tenant.tenant_id}."


def vector_index_owner(index: VectorIndexName) -> tuple[Tenant, str]:
    """Give back the tenant and the index's name that `vector_index` made *index* from."""
    tenant_id, name, _ = index.name.split(".")
    return Tenant(TenantId(tenant_id)), name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
