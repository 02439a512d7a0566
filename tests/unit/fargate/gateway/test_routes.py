"""The gateway over HTTP: OpenAI's own client, who may call, fallbacks, and clients that leave."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
import urllib3

from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import Role
from chalicelib.domain.credentials import ApiKey, credential, digest_of, new_secret
from chalicelib.domain.identifiers import KeyId, TenantId, new_id
from chalicelib.domain.routes import RouteKind
from chalicelib.errors import RateLimited
from fargate.gateway.metering import CallStatus
from tests.fakes.gateway import Gateway, gateway, route
from tests.fakes.identities import principal
from tests.fakes.openai_provider import OpenAiProvider, openai_provider, vector_of
from tests.fakes.serving import eventually, serving

HELLO: Any = [{"role": "user", "content": "one two"}]
ROUTES = [
    route("chat", "direct/ok"),
    route("dear", "direct/unpriced"),
    route("falls", "direct/server_error", "direct/ok"),
    route("refuses", "direct/bad_request", "direct/ok"),
    route("revoked", "direct/unauthorized", "direct/ok"),
    route("hangs", "direct/hang", "direct/ok", timeout_s=0.4),
    route("breaks", "direct/cut", "direct/ok"),
    route("waits", "direct/hang"),
    route("stalls", "direct/stall"),
    route("outer", "direct/server_error", fallbacks=("chat",)),
    route("elsewhere", "nowhere/ok"),
    route("vectors", "direct/ok", kind=RouteKind.EMBEDDING),
    route("minilm", "local/minilm", kind=RouteKind.EMBEDDING),
    route("order", "direct/ok", kind=RouteKind.RERANK),
]


@dataclass
class Served:
    """A gateway, its provider, and OpenAI's client for it."""

    gateway: Gateway
    provider: OpenAiProvider
    url: str
    key: str

    def client(self, **options: Any) -> openai.OpenAI:
        """Give OpenAI's client."""
        given: dict[str, Any] = {"api_key": self.key, "max_retries": 0, **options}
        return openai.OpenAI(base_url=f"{self.url}/gateway/v1", **given)

    def post(self, body: Any, headers: dict[str, str] | None = None, path: str = "chat/completions") -> Any:
        """Send something that no client would."""
        sent = {"Authorization": f"Bearer {self.key}"} if headers is None else headers
        return urllib3.request("POST", f"{self.url}/gateway/v1/{path}", json=body, headers=sent)


@pytest.fixture(scope="module")
def serving_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with (
        openai_provider() as (url, provider),
        gateway(folder, url, ROUTES) as opened,
        serving(opened.app()) as served,
    ):
        yield Served(opened, provider, served, api_key(opened))


@pytest.fixture
def served(serving_all: Served) -> Served:
    serving_all.gateway.forget()
    serving_all.provider.received.clear()
    serving_all.provider.abandoned = 0
    return serving_all


def api_key(opened: Gateway, *roles: Role, **changed: Any) -> str:
    key_id, secret = KeyId(new_id("key", datetime.now(UTC))), new_secret()
    key = ApiKey(
        key_id=key_id,
        tenant_id=TenantId("acme"),
        name="test",
        digest=digest_of(secret),
        roles=frozenset(roles or (Role.READER,)),
        groups=frozenset(),
        created_at=datetime.now(UTC),
        created_by="test",
    )
    opened.api_keys.add(replace(key, **changed))
    return credential(key_id, secret)


def test_openais_client_chats(served: Served) -> None:
    """Unchanged; the cost stands beside the usage."""
    with served.client() as client:
        answer = client.chat.completions.create(model="chat", messages=HELLO, temperature=0.5, max_tokens=9)
    assert answer.choices[0].message.content == "You said: one two"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 4)
    assert (answer.usage.model_extra or {})["cost_usd_micros"] == 2 * 2 + 4 * 10
    (sent,) = served.provider.received
    assert sent.body == {"model": "ok", "messages": HELLO, "temperature": 0.5, "max_tokens": 9}
    ((call, _),) = served.gateway.meter.settled
    assert (call.route, call.output_limit, call.principal.subject[:4]) == ("chat", 9, "key_")


@pytest.mark.parametrize("with_usage", [True, False])
def test_openais_client_streams(served: Served, with_usage: bool) -> None:
    """With the usage at the end where it asks for that, and always in the books."""
    with served.client() as client:
        options: Any = {"stream_options": {"include_usage": True}} if with_usage else {}
        chunks = list(client.chat.completions.create(model="chat", messages=HELLO, stream=True, **options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: one two"
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == ([4] if with_usage else [])
    ((_, outcome),) = eventually(lambda: served.gateway.meter.settled)
    assert (outcome.status, outcome.tokens.output, outcome.partial_text) == (CallStatus.SUCCEEDED, 4, None)


def test_openais_client_uses_tools_and_json(served: Served) -> None:
    """They go through as they are, schemas with nulls in them too."""
    schema = {"type": "object", "properties": {"said": {"type": "string", "default": None}}}
    tools: Any = [{"type": "function", "function": {"name": "say", "parameters": schema}}]
    form: Any = {"type": "json_schema", "json_schema": {"name": "said", "schema": schema, "strict": True}}
    with served.client() as client:
        used = client.chat.completions.create(model="chat", messages=HELLO, tools=tools, tool_choice="required")
        formed = client.chat.completions.create(model="chat", messages=HELLO, response_format=form)
    calls: Any = used.choices[0].message.tool_calls
    assert (used.choices[0].message.content, used.choices[0].finish_reason) == (None, "tool_calls")
    assert json.loads(calls[0].function.arguments) == {"said": "You said: one two"}
    assert json.loads(formed.choices[0].message.content or "") == {"said": "You said: one two"}
    assert [sent.body.get("tools") for sent in served.provider.received] == [tools, None]
    assert served.provider.received[1].body["response_format"] == form


@pytest.mark.parametrize("form", ["float", "base64"])
def test_openais_client_embeds(served: Served, form: Any) -> None:
    """In either encoding, from a provider or the platform's own model."""
    with served.client() as client:
        found = client.embeddings.create(model="vectors", input=["a", "b"], encoding_format=form)
        local = client.embeddings.create(model="minilm", input=["a"])
    if form == "float":
        assert [one.embedding for one in found.data] == [vector_of("a"), vector_of("b")]
    assert len(local.data[0].embedding) == 64
    assert (local.usage.model_extra or {}) == {"cost_usd_micros": 0, "unpriced": False}


def test_openais_client_lists_models(served: Served) -> None:
    """Every route of the tenant, by name."""
    with served.client() as client:
        names = [one.id for one in client.models.list()]
    assert names == sorted(one.name for one in ROUTES)


def test_openais_client_raises_what_it_knows(served: Served) -> None:
    """By status, with our words and never the provider's."""
    with served.client() as client:
        with pytest.raises(openai.NotFoundError, match="There is no route 'nowhere'"):
            client.chat.completions.create(model="nowhere", messages=HELLO)
        with pytest.raises(openai.NotFoundError, match="is for embedding, not for chat"):
            client.chat.completions.create(model="vectors", messages=HELLO)
        with pytest.raises(openai.BadRequestError, match="did not take the request"):
            client.chat.completions.create(model="refuses", messages=HELLO)
        with pytest.raises(openai.APIError, match="broke the answer off"):
            list(client.chat.completions.create(model="breaks", messages=HELLO, stream=True))
        with pytest.raises(openai.InternalServerError, match="has no key"):
            client.chat.completions.create(model="elsewhere", messages=HELLO)


def test_documents_are_ranked(served: Served) -> None:
    """As Cohere's API has it, best first."""
    body = {"model": "order", "query": "a b", "documents": ["c", "a b", "a"], "top_n": 2}
    answered = served.post(body, path="rerank").json()
    assert answered["results"] == [{"index": 1, "relevance_score": 1.0}, {"index": 2, "relevance_score": 0.5}]
    assert answered["usage"]["cost_usd_micros"] == 2_000 + 2 * 4


@pytest.mark.parametrize("name", ["falls", "revoked", "hangs", "outer"])
@pytest.mark.parametrize("stream", [False, True])
def test_another_deployment_answers(served: Served, name: str, stream: bool) -> None:
    """Both calls stand in the books, under the route that was named."""
    reply = served.post({"model": name, "messages": HELLO, "stream": stream})
    assert b"two" in reply.data
    assert eventually(lambda: len(served.gateway.meter.settled) == 2)
    settled = served.gateway.meter.settled
    assert [(call.route, call.attempt, outcome.status.value) for call, outcome in settled] == [
        (name, 1, "failed"),
        (name, 2, "succeeded"),
    ]
    assert len({call.call_id for call, _ in settled}) == 1


def test_an_open_circuit_costs_no_call(served: Served) -> None:
    """After three failures the next call goes straight to the one that works."""
    for _ in range(4):
        assert served.post({"model": "falls", "messages": HELLO}).status == 200
    assert [sent.model for sent in served.provider.received] == ["server_error", "ok"] * 3 + ["ok"]


def test_nothing_is_tried_elsewhere_after_the_first_token(served: Served) -> None:
    """What was said stays said."""
    served.post({"model": "breaks", "messages": HELLO, "stream": True})
    assert [sent.model for sent in served.provider.received] == ["cut"]


def test_an_unpriced_model_is_flagged(served: Served) -> None:
    """Its cost is not known, which is something else than nothing."""
    usage = served.post({"model": "dear", "messages": HELLO}).json()["usage"]
    assert (usage["cost_usd_micros"], usage["unpriced"]) == (0, True)
    ((call, _),) = served.gateway.meter.settled
    assert call.price is None


def test_a_meter_that_refuses_ends_the_call(served: Served) -> None:
    """Before anything is sent, and with its own error."""
    served.gateway.meter.refusal = RateLimited("The budget is spent.", retry_after_s=60, budget="month")
    reply = served.post({"model": "falls", "messages": HELLO})
    assert (reply.status, reply.headers["Retry-After"], reply.json()["budget"]) == (429, "60", "month")
    assert served.provider.received == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["waits", "stalls"])
def test_a_client_that_leaves_stops_the_provider(served: Served, name: str, stream: bool) -> None:
    """Whether or not it has begun to speak; the call is settled as cancelled."""
    host = served.url.removeprefix("http://")
    body = json.dumps({"model": name, "messages": HELLO, "stream": stream})
    with closing(http.client.HTTPConnection(host)) as connection:
        headers = {"Authorization": f"Bearer {served.key}", "Content-Type": "application/json"}
        connection.request("POST", "/gateway/v1/chat/completions", body, headers)
        assert eventually(lambda: served.provider.received)
        if (name, stream) == ("stalls", True):
            read = connection.getresponse()
            while b"one" not in read.readline():
                pass
    settled = eventually(lambda: served.gateway.meter.settled)
    assert [outcome.status for _, outcome in settled] == [CallStatus.CANCELLED]
    assert eventually(lambda: served.provider.abandoned) == 1
    assert settled[0][1].partial_text == ("You said: one" if (name, stream) == ("stalls", True) else None)


@pytest.mark.parametrize(
    "field",
    [
        {"base_url": "http://elsewhere"},
        {"api_base": "http://elsewhere"},
        {"api_key": "sk-1"},
        {"extra_headers": {"a": "b"}},
        {"n": 2},
        {"max_tokens": 1, "max_completion_tokens": 1},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://in.side/"}}]}]},
    ],
)
def test_clients_cannot_say_where_to_or_as_whom(served: Served, field: dict[str, Any]) -> None:
    """What is not OpenAI's request is refused, and so is what somebody would have to fetch."""
    reply = served.post({"model": "chat", "messages": HELLO, **field})
    assert reply.status == 400
    assert reply.json()["error"]["code"] == "invalid_request"
    assert served.provider.received == []


def test_who_is_not_known_calls_nothing(served: Served) -> None:
    """Keys that are missing, wrong or revoked; and services come with an identity token."""
    body = {"model": "chat", "messages": HELLO}
    revoked = api_key(served.gateway, revoked_at=datetime.now(UTC))
    for headers in ({}, {"Authorization": "Bearer rgs_nonsense"}, {"Authorization": f"Bearer {revoked}"}):
        reply = served.post(body, headers)
        assert (reply.status, reply.json()["error"]["code"]) == (401, "unauthenticated")
    for role in (Role.SERVICE, Role.READER):
        assert served.post(body, {HEADER: principal(role=role).token or ""}).status == 200


def test_a_route_is_tried_by_those_who_manage_it(served: Served) -> None:
    """Each deployment once, whatever the others do."""
    url = f"{served.url}/gateway/routes/falls/test"
    reader, engineer = (principal(role=role).token or "" for role in (Role.READER, Role.ENGINEER))
    assert urllib3.request("POST", url, headers={HEADER: reader}).status == 403
    tried = urllib3.request("POST", url, headers={HEADER: engineer}).json()["deployments"]
    assert [(one["model"], one["status"], one["error"]) for one in tried] == [
        ("direct/server_error", "failing", "server_error"),
        ("direct/ok", "ok", None),
    ]
    assert len(served.gateway.meter.settled) == 2
