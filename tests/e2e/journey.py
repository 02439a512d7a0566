"""What every platform must be able to do, however many processes it is made of."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from chalicelib.client.api import Client
from chalicelib.contracts.asking import DoneEvent, QueryRequest, RetrieveRequest, TokenEvent
from chalicelib.contracts.audit import AuditQuery
from chalicelib.contracts.budgets import BudgetCreate
from chalicelib.contracts.documents import DocumentCreate, DocumentPatch
from chalicelib.contracts.feedback import FeedbackCreate, TriagePatch
from chalicelib.contracts.identities import ApiKeyCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.contracts.ingestions import ImportFile, ImportsCreate, IngestionCreate
from chalicelib.contracts.prompts import PromptCreate
from chalicelib.contracts.release_settings import RetrievalModel
from chalicelib.contracts.releases import AliasCreate, ReleaseCreate
from chalicelib.contracts.routes import DeploymentModel, RouteCreate
from chalicelib.contracts.schedules import ScheduleCreate
from chalicelib.domain.access import Role
from chalicelib.domain.budgets import BudgetScope, Period
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.feedback import Rating, TriageStatus
from chalicelib.domain.jobs import JobStatus
from chalicelib.domain.routes import RouteKind
from chalicelib.domain.schedules import ScheduleKind
from tests.fakes.serving import eventually

QUESTION = "How many days of leave does everybody have?"
TEXT = "# Leave\n\nEverybody has thirty days of leave. Leave is asked for two weeks before it begins."


def go(client: Client, folder: Path, arrived: Callable[[], None] = lambda: None) -> None:
    """Put documents in, ask, follow the citations, and take them out; *arrived* tells of an upload where S3 would."""
    index = client.create_index(IndexCreate(name=f"journey-{secrets.token_hex(4)}")).name
    document_id = client.create_document(DocumentCreate(index=index, name="leave.md", text=TEXT)).document.document_id
    path = folder / "sauce.txt"
    path.write_text("The secret ingredient of the sauce is smoked paprika.")
    upload = client.upload_file(index, path)
    arrived()
    documents = client.wait_for_documents([document_id, upload.document_id], timeout_s=60)
    assert {document.status for document in documents} == {DocumentStatus.READY}
    ask(client, index, document_id)
    import_more(client, index, folder)
    run_it(client, index)
    look_after_it(client, index, document_id)
    take_out(client, index, document_id)


def ask(client: Client, index: str, document_id: str) -> None:
    """Ask, whole and as a stream, and find what is cited."""
    answer = client.query(QueryRequest(question=QUESTION, index=index))
    assert "thirty days" in answer.answer
    (citation, *_) = answer.citations
    chunk = next(one for one in client.chunks(citation.document_id) if one.chunk_id == citation.chunk_id)
    assert citation.document_id == document_id
    assert citation.quote in chunk.text
    assert client.run(answer.run_id).answer == answer.answer
    events = list(client.query_stream(QueryRequest(question=QUESTION, index=index)))
    assert isinstance(events[-1], DoneEvent)
    streamed = "".join(event.text for event in events if isinstance(event, TokenEvent))
    assert "thirty days" in streamed
    paprika = client.query(QueryRequest(question="What is the secret ingredient of the sauce?", index=index))
    assert "smoked paprika" in paprika.answer


def import_more(client: Client, index: str, folder: Path) -> None:
    """Put a file into the import area, and take in what is there."""
    path = folder / "travel.txt"
    path.write_text("Travel by train is paid in full.")
    accepted = client.open_imports(ImportsCreate(index=index, files=[ImportFile(path=path.name, size_bytes=32)]))
    client.send_file(accepted.imports[0], path)
    job = client.create_ingestion(IngestionCreate(index=index, prefix="travel"))
    assert client.wait_for_job(job.job_id).status is JobStatus.SUCCEEDED
    assert "train" in client.query(QueryRequest(question="How is travel by train paid?", index=index)).answer


def run_it(client: Client, index: str) -> None:
    """Do what those do who run a platform: releases, prompts, feedback, budgets, keys, and the books."""
    release = client.create_release(ReleaseCreate(index=index)).release
    client.create_alias(AliasCreate(name=index, release=release))
    answer = client.query(QueryRequest(question=QUESTION, release=index))
    assert answer.release == release
    client.send_feedback(FeedbackCreate(run_id=answer.run_id, rating=Rating.UP))
    assert answer.run_id in {one.run_id for one in client.feedback()}
    client.create_prompt(PromptCreate(name=index, system="Be brief.", user="{{ question }} {{ passages }}"))
    budget = BudgetCreate(name=index, scope=BudgetScope.TENANT, period=Period.MONTH, limit_usd_micros=10**9)
    client.create_budget(budget)
    key = client.create_api_key(ApiKeyCreate(name="journey", roles=[Role.READER]))
    client.revoke_api_key(key.key.key_id)
    client.sweep_index(index)
    assert client.readiness().status == "ok"
    for listed in (client.jobs(), client.runs(), client.audit(), client.releases(), client.api_keys()):
        assert list(listed)
    client.usage()
    client.delete_budget(index)
    client.delete_alias(index)


def look_after_it(client: Client, index: str, document_id: str) -> None:
    """Look at everything, plan work, call a model by a route, and change what a document says of itself."""
    client.change_document(document_id, DocumentPatch(metadata={"team": "people"}))
    client.wait_for_documents([document_id], timeout_s=60)
    assert client.document(document_id).metadata == {"team": "people"}
    assert client.versions(document_id)
    assert client.content(document_id).url
    assert document_id in {one.document_id for one in client.documents(index=index)}
    assert client.retrieve(RetrieveRequest(question=QUESTION, index=index)).passages
    tried_out = RetrieveRequest(question=QUESTION, index=index, retrieval=RetrievalModel(candidates=7))
    assert client.retrieve(tried_out).passages
    assert index in {one.name for one in client.indexes()}
    (given, *_) = client.feedback()
    client.triage_feedback(given.feedback_id, TriagePatch(status=TriageStatus.RESOLVED))
    assert client.feedback_detail(given.feedback_id).status is TriageStatus.RESOLVED
    planned = ScheduleCreate(name=index, kind=ScheduleKind.SWEEP, index=index, cron="0 3 * * *")
    client.create_schedule(planned)
    client.run_schedule(index)
    client.delete_schedule(index)
    deployment = DeploymentModel(model="local/minilm")
    client.create_route(RouteCreate(name=index, kind=RouteKind.EMBEDDING, deployments=[deployment]))
    (tried,) = client.test_route(index).deployments
    assert tried.error is None
    client.delete_route(index)
    assert list(client.audit(AuditQuery(resource=f"routes/{index}")))
    assert client.run_trace(next(client.runs()).run_id) is not None
    assert client.redrive_index(index) == 0


def take_out(client: Client, index: str, document_id: str) -> None:
    """Delete a document, which is gone at once, and then all."""
    job_id = client.delete_document(document_id).job.job_id
    answer = client.query(QueryRequest(question=QUESTION, index=index))
    assert "thirty" not in answer.answer
    assert client.document(document_id).status is DocumentStatus.DELETED
    index_job = client.delete_index(index).job.job_id
    jobs = {job_id, index_job}
    assert eventually(lambda: {client.job(each).status for each in jobs} == {JobStatus.SUCCEEDED}, within_s=30)
