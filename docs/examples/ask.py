"""Put a file into an index, ask about it as a stream, and say what you think of the answer."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from chalicelib.client.api import Client
from chalicelib.contracts.asking import DoneEvent, ErrorEvent, QueryRequest, TokenEvent
from chalicelib.contracts.feedback import FeedbackCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.feedback import Rating
from chalicelib.errors import Conflict

with (
    Client(os.environ.get("RAGSTONE_URL", "http://127.0.0.1:8080"), os.environ["RAGSTONE_KEY"]) as client,
    tempfile.TemporaryDirectory() as folder,
):
    with suppress(Conflict):  # it is there already
        client.create_index(IndexCreate(name="python-example"))

    file = Path(folder, "leave.md")
    file.write_text("# Leave\n\nEverybody has 30 days of leave. Parents have 5 more.\n")
    upload = client.upload_file("python-example", file, external_id="leave.md", metadata={"team": "hr"})
    client.wait_for_documents([upload.document_id])

    question = QueryRequest(question="How many days of leave has everybody?", index="python-example", user="ada")
    for event in client.query_stream(question):
        if isinstance(event, TokenEvent):
            print(event.text, end="", flush=True)
        elif isinstance(event, ErrorEvent):
            raise SystemExit(event.problem["detail"])
        elif isinstance(event, DoneEvent):
            print()
            for citation in event.answer.citations:
                print(f"  [{citation.marker}] {citation.name}: “{citation.quote}”")
            client.send_feedback(FeedbackCreate(run_id=event.answer.run_id, rating=Rating.UP))
