"""The probe by which a container's engine learns whether its service answers."""

from __future__ import annotations

import pytest

from chalicelib.errors import Unauthenticated
from fargate.http.app import service_app
from fargate.http.probe import main
from tests.fakes.serving import serving


def refuse() -> None:
    raise Unauthenticated("Nobody is known here.")


def test_the_probe_tells_a_service_that_answers_from_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its exit status, which is all that an engine reads."""
    app = service_app("retrieval", [], authenticate=refuse, version="1")  # type: ignore[arg-type]
    with serving(app) as url:
        monkeypatch.setenv("RAGSTONE_PORT", url.rpartition(":")[2])
        assert main(["retrieval"]) == 0
        assert main(["gateway"]) == 1
    assert main(["retrieval"]) == 1
