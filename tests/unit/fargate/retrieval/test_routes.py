"""The retrieval service over HTTP: who may ask, and for what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.contracts.asking import RetrieveResponse
from chalicelib.contracts.identity import HEADER
from chalicelib.domain.access import Role
from chalicelib.transport import Call, Reply, Transport
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from fargate.retrieval.routes import router
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.knowledge import knowledge
from tests.fakes.serving import serving

LEAVE = "Everybody has thirty days of leave."


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
    """Serve one for all tests: none changes what is known, and a server takes most of a second to start and stop."""
    identify = authenticate(VERIFIER)
    with knowledge(tmp_path_factory.mktemp("served")) as known:
        known.add(LEAVE)
        app = service_app("retrieval", [router(known.retrieval(), identify)], authenticate=identify, version="1")
        with serving(app) as url:
            opened = Transport(url)
            yield opened
            opened.close()


def post(transport: Transport, path: str, body: bytes, role: Role | None = Role.READER) -> Reply:
    headers = {"Content-Type": "application/json"}
    if role is not None:
        headers[HEADER] = principal(role=role).token or ""
    return transport.call(Call("POST", path, body, headers))


def test_a_reader_gets_passages(transport: Transport) -> None:
    """Through the whole stack."""
    found = post(transport, "/retrieval/retrieve", b'{"question": "leave", "strategy": "lexical"}')
    assert [passage.text for passage in found.model(RetrieveResponse).passages] == [LEAVE]


@pytest.mark.parametrize("path", ["/retrieval/retrieve", "/retrieval/search"])
def test_only_those_who_may_ask_are_answered(transport: Transport, path: str) -> None:
    """A service without a person behind it may not, nor may anybody without a token."""
    body = b'{"question": "leave", "release": "live", "top_k": 1}'
    assert post(transport, path, body, Role.SERVICE).status == 403
    assert post(transport, path, body, None).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b'{"question": "  "}',
        b'{"question": "' + b"x" * 8_001 + b'"}',
        b'{"question": "leave", "top_k": 101}',
        b'{"question": "leave", "k": 1}',
        b'{"question": "leave", "strategy": "magic"}',
        b'{"question": "leave", "filter": {"_acl": "hr"}}',
        b'{"question": "leave", "retrieval": {"candidates": 0}}',
    ],
)
def test_a_bad_question_is_a_bad_request(transport: Transport, body: bytes) -> None:
    """Empty, too long, out of bounds, unknown fields and values."""
    assert post(transport, "/retrieval/retrieve", body).status == 400
