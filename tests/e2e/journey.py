"""What every platform must be able to do, however many processes it is made of."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from chalicelib.client.api import Client
from chalicelib.contracts.asking import DoneEvent, QueryRequest, TokenEvent
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.jobs import JobStatus
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


def take_out(client: Client, index: str, document_id: str) -> None:
    """Delete a document, which is gone at once, and then all."""
    job_id = client.delete_document(document_id).job.job_id
    answer = client.query(QueryRequest(question=QUESTION, index=index))
    assert "thirty" not in answer.answer
    assert client.document(document_id).status is DocumentStatus.DELETED
    index_job = client.delete_index(index).job.job_id
    jobs = {job_id, index_job}
    assert eventually(lambda: {client.job(each).status for each in jobs} == {JobStatus.SUCCEEDED}, within_s=30)
