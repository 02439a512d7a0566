"""The whole path of an answer by a model: a provider that is a server, a route, a prompt, a release, a question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import urllib3

from chalicelib.client.api import Client
from chalicelib.contracts.asking import DoneEvent, QueryRequest, TokenEvent
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.runs import Verdict
from tests.e2e.running import RunningPlatform, running_platform
from tests.fakes.openai_provider import OpenAiProvider, openai_provider
from tests.fakes.reading_model import read

LEAVE = "# Leave\n\nEverybody has thirty days of leave a year. Leave is asked for in the portal."
CARS = "# Cars\n\nCompany cars are washed on Fridays. The key hangs at the gate."
QUESTION = "How many days of leave a year has everybody?"


class Platform:
    """A platform with two documents, and the provider behind its one route."""

    def __init__(self, running: RunningPlatform, provider: OpenAiProvider) -> None:
        self.running = running
        self.provider = provider

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Call the API as the admin; the answer must be good."""
        headers = {"Authorization": f"Bearer {self.running.key}"}
        reply = urllib3.request(method, f"{self.running.url}/v1{path}", json=body, headers=headers)
        assert reply.status < 300, reply.data
        return reply.json()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with ExitStack() as stack:
        url, provider = stack.enter_context(openai_provider(answer=read))
        providers = json.dumps({"test": {"base_url": url, "needs_key": False, "prices": "free"}})
        folder = tmp_path_factory.mktemp("platform") / "data"
        running = stack.enter_context(running_platform(folder, RAGSTONE_SAMPLE="0", RAGSTONE_PROVIDERS=providers))
        client = stack.enter_context(running.client())
        client.create_index(IndexCreate(name="handbook"))
        for name, text in (("leave.md", LEAVE), ("cars.md", CARS)):
            accepted = client.create_document(DocumentCreate(index="handbook", name=name, text=text))
            client.wait_for_documents([accepted.document.document_id])
        opened = Platform(running, provider)
        opened.ask("POST", "/routes", {"name": "chat", "kind": "chat", "deployments": [{"model": "test/ok"}]})
        system = "You help the staff of {{index}}."
        opened.ask(
            "POST", "/prompts", {"name": "helpdesk", "system": system, "user": "{{passages}}\nQuestion: {{question}}"}
        )
        draft = {"index": "handbook", "answer": {"model": "chat", "prompt": "helpdesk"}}
        release = opened.ask("POST", "/releases", draft)["release"]
        opened.ask("POST", f"/releases/{release}/promote", {"override_reason": "a test"})
        yield opened


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    with platform.running.client() as client:
        yield client


def test_an_answer_quotes_its_source(client: Client) -> None:
    """The citation's quote stands at its place, and the claim is borne out by it."""
    answer = client.query(QueryRequest(question=QUESTION))
    assert (answer.answer, answer.abstained) == ("Everybody has thirty days of leave a year. [1]", False)
    (citation,) = answer.citations
    assert (citation.name, citation.quote) == ("leave.md", "Everybody has thirty days of leave a year.")
    chunk = next(one for one in client.chunks(citation.document_id) if one.chunk_id == citation.chunk_id)
    assert chunk.text[citation.start - chunk.start : citation.end - chunk.start] == citation.quote
    assert [claim.verdict for claim in answer.claims] == [Verdict.SUPPORTED]
    assert answer.usage.input_tokens > 100


def test_a_stream_says_the_same(client: Client) -> None:
    """Piece by piece, and the whole answer at the end."""
    events = list(client.query_stream(QueryRequest(question=QUESTION)))
    assert isinstance(events[-1], DoneEvent)
    said = "".join(event.text for event in events if isinstance(event, TokenEvent))
    assert said == events[-1].answer.answer == "Everybody has thirty days of leave a year. [1]"


def test_a_question_that_the_documents_do_not_answer_is_declined(client: Client) -> None:
    """The model says so, and the answer names what came nearest."""
    answer = client.query(QueryRequest(question="Which violin concertos were composed in Leipzig?"))
    assert answer.abstained
    assert answer.nearest
    assert answer.citations == []


def test_a_claim_that_its_source_does_not_bear_out_is_told(platform: Platform, client: Client) -> None:
    """The model says another number: the claim is unsupported, with the place that says otherwise."""
    platform.provider.answer = lambda _: "Everybody has ninety days of leave a year. [1]"
    try:
        (claim,) = client.query(QueryRequest(question=QUESTION)).claims
    finally:
        platform.provider.answer = read
    assert (claim.verdict, claim.reason) == (Verdict.UNSUPPORTED, "number_not_in_source")


def test_the_run_shows_what_the_model_was_sent(platform: Platform, client: Client) -> None:
    """To the letter: the rules, the release's prompt, the passages, the question."""
    run_id = client.query(QueryRequest(question=QUESTION)).run_id
    sent = platform.ask("GET", f"/runs/{run_id}/messages")
    assert (sent["prompt"], sent["exact"]) == ("helpdesk@1", True)
    assert sent["messages"] == platform.provider.received[-1].body["messages"]
    assert "You help the staff of handbook." in sent["messages"][0]["content"]
