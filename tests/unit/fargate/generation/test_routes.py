"""The generation service over HTTP: who may ask, and what a stream is like."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chalicelib.contracts.events import decode
from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import Role
from chalicelib.domain.releases import EXTRACTIVE, ReleaseConfig
from chalicelib.domain.runs import Passage, Run
from fargate.generation.drafts import Draft
from fargate.generation.routes import router
from fargate.generation.service import CLIENT_DISCONNECTED, GenerationService
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.knowledge import Knowledge, knowledge
from tests.fakes.serving import serving

LEAVE = "Everybody has thirty days of leave."
QUESTION = {"question": "How many days of leave has everybody?"}


class Endless:
    """A model that never stops talking, until somebody stops it."""

    description = "talks"

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`."""
        while True:
            yield "word "


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        opened.add(LEAVE)
        yield opened


def service(known: Knowledge, *, endless: bool = False) -> GenerationService:
    return known.generation(answerers={EXTRACTIVE: Endless()} if endless else None)


def served(service: GenerationService) -> Iterator[str]:
    identify = authenticate(VERIFIER)
    app = service_app("generation", [router(service, identify)], authenticate=identify, version="1")
    with serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve one for all tests that change nothing: a server takes most of a second to start and stop."""
    with knowledge(tmp_path_factory.mktemp("served")) as opened:
        opened.add(LEAVE)
        yield from served(service(opened))


@pytest.fixture
def endless_url(known: Knowledge) -> Iterator[str]:
    yield from served(service(known, endless=True))


def ask(
    url: str, path: str, body: object = QUESTION, role: Role | None = Role.READER
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Send a question, and give the connection with the response, not yet read."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    token = {} if role is None else {HEADER: principal(role=role).token or ""}
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **token})
    return connection, connection.getresponse()


def test_a_question_is_answered(url: str) -> None:
    """With its citation."""
    connection, response = ask(url, "/generation/answer")
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 200
    assert answer["answer"] == f"{LEAVE} [1]"
    assert answer["citations"][0]["quote"] == LEAVE


def test_a_question_is_answered_in_events(url: str) -> None:
    """Which no proxy may hold back."""
    connection, response = ask(url, "/generation/query/stream")
    events = [event.event for event in decode(response)]
    connection.close()
    assert response.getheader("Content-Type", "").startswith("text/event-stream")
    assert response.getheader("X-Accel-Buffering") == "no"
    assert (events[0], events[-1], events.count("done")) == ("run", "done", 1)


@pytest.mark.parametrize("path", ["/generation/answer", "/generation/query/stream"])
@pytest.mark.parametrize(
    ("body", "role", "status"),
    [
        (QUESTION, Role.SERVICE, 403),
        (QUESTION, None, 401),
        ({"question": ""}, Role.READER, 400),
        ({**QUESTION, "temperature": 1}, Role.READER, 400),
        ({**QUESTION, "index": "missing"}, Role.READER, 404),
    ],
)
def test_what_cannot_be_asked_is_answered_with_its_status(
    url: str, path: str, body: object, role: Role | None, status: int
) -> None:
    """Also where a stream was wanted: nothing of it has begun."""
    connection, response = ask(url, path, body, role)
    problem = json.loads(response.read())
    connection.close()
    assert response.status == problem["status"] == status


def test_a_client_that_goes_away_stops_the_model(known: Knowledge, endless_url: str) -> None:
    """And leaves the run of what it was told."""
    connection, response = ask(endless_url, "/generation/query/stream")
    while response.readline() != b"event: token\n":
        pass
    response.close()
    connection.close()
    (run,) = _eventually(known)
    assert run.error == CLIENT_DISCONNECTED
    assert (run.answer or "").startswith("word ")


def _eventually(known: Knowledge) -> Sequence[Run]:
    """Wait until the run is stored: the server hears of the client's leaving in its own time."""
    for _ in range(500):
        found, _cursor = known.runs.list(known.tenant, limit=10, cursor=None)
        if found:
            return found
        time.sleep(0.01)
    return ()
