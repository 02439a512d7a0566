"""OpenAI's own client asks the generation service: answers, streams, refusals, and going away."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from chalicelib.contracts.asking import Answer, AnswerEvent, DoneEvent, ErrorEvent, QueryRequest, RunEvent, TokenEvent
from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import Principal, Role
from chalicelib.errors import BudgetExceeded, NotFound, RateLimited, Unavailable
from fargate.generation.chat_routes import chat_router
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.fakes.answers import answer
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.scripted_services import ScriptedGenerator
from tests.fakes.serving import eventually, serving

CHAT: Any = [{"role": "user", "content": "How much leave?"}]
RUN = RunEvent(run_id="run_1", release="rel_1")
WORDS = [TokenEvent(text="Everybody has"), TokenEvent(text=" 30 days. [1]")]
EVENTS: list[AnswerEvent] = [RUN, *WORDS, DoneEvent(answer=answer())]


class Stalling(ScriptedGenerator):
    """Says what it has to say, and then nothing for ever."""

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """See `Generator.answer`."""
        try:
            self.note(principal, request)
            await asyncio.sleep(3_600)
        finally:
            self.closed.set()
        return answer()

    async def stream(self, principal: Principal, request: QueryRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Generator.stream`."""
        try:
            self.note(principal, request)
            for event in self.events:
                yield event
            await asyncio.sleep(3_600)
        finally:
            self.closed.set()


@dataclass
class Served:
    """The route over a generator that does as it is told."""

    url: str
    generator: ScriptedGenerator

    def client(self, role: Role | None = Role.READER) -> openai.OpenAI:
        token = {} if role is None else {HEADER: principal(role=role).token or ""}
        return openai.OpenAI(
            base_url=f"{self.url}/generation", api_key="unused", max_retries=0, default_headers=token, timeout=10
        )

    def send(self, body: object) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send something as it is, and give the response, not yet read."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        headers = {"Content-Type": "application/json", HEADER: principal().token or ""}
        sent = body if isinstance(body, str) else json.dumps(body)
        connection.request("POST", "/generation/chat/completions", sent, headers)
        return connection, connection.getresponse()

    def announce(self, length: int) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Say how long a body would be, and give the response."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        connection.putrequest("POST", "/generation/chat/completions")
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        return connection, connection.getresponse()


def serve(generator: ScriptedGenerator, heartbeat_s: float = 15) -> Iterator[Served]:
    identify = authenticate(VERIFIER)
    routes = chat_router(generator, identify, heartbeat_s=heartbeat_s, now=lambda: 1_790_000_000.5)
    app = service_app("generation", [routes], authenticate=identify, version="1")
    with serving(app) as url:
        yield Served(url, generator)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    yield from serve(ScriptedGenerator())


@pytest.fixture
def served(server: Served) -> Served:
    server.generator.__init__(events=list(EVENTS))  # type: ignore[misc]
    return server


@pytest.fixture(scope="module")
def stalling() -> Iterator[Served]:
    yield from serve(Stalling(), heartbeat_s=0.05)


def test_a_body_that_is_too_long_is_refused_in_both_shapes(served: Served) -> None:
    """As all that is refused here: OpenAI's clients look for `error` alone."""
    connection, response = served.announce(9_000_000)
    refused = json.loads(response.read())
    connection.close()
    assert (response.status, refused["code"]) == (413, "payload_too_large")
    assert refused["error"] == {
        "message": refused["detail"], "type": "payload_too_large", "param": None, "code": "payload_too_large",
    }  # fmt: skip


def test_openais_client_is_answered(served: Served) -> None:
    """Unchanged, with the citation where web searches have theirs."""
    with served.client() as client:
        made = client.chat.completions.create(model="live", messages=CHAT, temperature=0.2, user="u1")
    message = made.choices[0].message
    assert (message.role, message.content) == ("assistant", "How much leave?")  # the question itself
    assert (made.id, made.model, made.created) == ("chatcmpl-run_1", "rel_1", 1_790_000_000)
    assert (made.model_extra or {})["ragstone"]["ignored"] == ["temperature"]
    ((_, request),) = served.generator.asked
    assert isinstance(request, QueryRequest)
    assert (request.question, request.release, request.user) == ("How much leave?", "live", "u1")


@pytest.mark.parametrize("with_usage", [True, False])
def test_openais_client_streams(served: Served, with_usage: bool) -> None:
    """To the end, with the usage where it asks for that."""
    options: Any = {"stream_options": {"include_usage": True}} if with_usage else {}
    with served.client() as client:
        read = list(client.chat.completions.create(model="live", messages=CHAT, stream=True, **options))
    choices = [chunk.choices[0] for chunk in read if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == answer().answer
    assert choices[-1].finish_reason == "stop"
    (note,) = (choices[-1].delta.model_extra or {})["annotations"]
    assert note["file_citation"]["quote"] == answer().citations[0].quote
    assert [chunk.usage.total_tokens for chunk in read if chunk.usage] == ([3] if with_usage else [])


def test_the_stream_on_the_wire_ends_once(served: Served) -> None:
    """By `[DONE]`, and no proxy may hold it back."""
    connection, response = served.send({"model": "live", "messages": CHAT, "stream": True})
    lines = [line for line in response.read().split(b"\n\n") if line]
    connection.close()
    assert (response.status, response.getheader("X-Accel-Buffering")) == (200, "no")
    assert [line == b"data: [DONE]" for line in lines] == [False, False, False, True]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("failure", "kind", "status"),
    [
        (NotFound("There is no release 'x'."), openai.NotFoundError, 404),
        (BudgetExceeded("The budget is spent."), openai.APIStatusError, 402),
        (RateLimited("Later.", retry_after_s=3), openai.RateLimitError, 429),
        (Unavailable("The index does not answer."), openai.InternalServerError, 503),
        (RuntimeError("canary"), openai.InternalServerError, 500),
    ],
)
def test_openais_client_raises_what_it_knows(
    served: Served, failure: Exception, kind: type[openai.APIStatusError], status: int, stream: bool
) -> None:
    """Whether or not a stream was wanted; what nobody foresaw says nothing of the inside."""
    served.generator.failure = failure
    with served.client() as client, pytest.raises(kind) as raised:
        client.chat.completions.create(model="x", messages=CHAT, stream=stream)
    assert raised.value.status_code == status
    body: Any = raised.value.body
    assert set(body) == {"message", "type", "param", "code"}
    assert "canary" not in body["message"]


@pytest.mark.parametrize("problem", [RateLimited("Later.", retry_after_s=3), Unavailable("Gone.")])
def test_a_stream_that_fails_before_its_first_word_has_a_status(served: Served, problem: Any) -> None:
    """So that clients try again, as they do."""
    served.generator.events = [RUN, ErrorEvent(problem=problem.problem("t"))]
    with served.client() as client, pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="live", messages=CHAT, stream=True)
    assert raised.value.status_code == problem.status
    assert raised.value.response.headers.get("Retry-After") == ("3" if problem.status == 429 else None)


def test_a_stream_that_fails_later_ends_with_the_error(served: Served) -> None:
    """Which OpenAI's client raises; nothing follows it."""
    served.generator.events = [RUN, *WORDS, ErrorEvent(problem=Unavailable("The model is gone.").problem("t"))]
    heard: list[Any] = []
    with served.client() as client, pytest.raises(openai.APIError, match="The model is gone"):
        heard.extend(client.chat.completions.create(model="live", messages=CHAT, stream=True))
    connection, response = served.send({"model": "live", "messages": CHAT, "stream": True})
    *_, last = [line for line in response.read().split(b"\n\n") if line]
    connection.close()
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "unavailable"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, None),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"logprobs": True}, "logprobs"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(served: Served, fields: dict[str, Any], param: str | None) -> None:
    """And nothing is asked."""
    connection, response = served.send({"model": "live", "messages": CHAT, **fields})
    error = json.loads(response.read())["error"]
    connection.close()
    assert (response.status, error["code"]) == (400, "invalid_request")
    assert param is None or error["param"] == param
    assert served.generator.asked == []


@pytest.mark.parametrize("body", ["", "{", "[]", "null"])
def test_what_is_no_request_is_refused(served: Served, body: str) -> None:
    """In the shape of all refusals."""
    connection, response = served.send(body)
    error = json.loads(response.read())["error"]
    connection.close()
    assert (response.status, error["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("role", "kind"), [(None, openai.AuthenticationError), (Role.SERVICE, openai.PermissionDeniedError)]
)
def test_only_who_may_ask_is_answered(served: Served, role: Role | None, kind: type[Exception]) -> None:
    """By the identity token and its permissions, before anything is read."""
    with served.client(role) as client, pytest.raises(kind):
        client.chat.completions.create(model="live", messages=CHAT)
    assert served.generator.asked == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("words", [0, 1])
def test_a_client_that_goes_away_stops_the_answer(stalling: Served, stream: bool, words: int) -> None:
    """Whether or not it has heard something; until it goes, a stream shows that it lives."""
    stalling.generator.__init__(events=[RUN, *WORDS[:words]])  # type: ignore[misc]
    connection = http.client.HTTPConnection(urlsplit(stalling.url).netloc, timeout=10)
    headers = {"Content-Type": "application/json", HEADER: principal().token or ""}
    body = json.dumps({"model": "live", "messages": CHAT, "stream": stream})
    connection.request("POST", "/generation/chat/completions", body, headers)
    assert eventually(lambda: stalling.generator.asked)
    if stream:
        response = connection.getresponse()
        while response.readline() != b": heartbeat\n":
            pass
        response.close()
    connection.close()
    assert stalling.generator.closed.wait(5)
