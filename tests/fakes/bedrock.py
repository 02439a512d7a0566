"""Amazon Bedrock's ApplyGuardrail, for one guardrail: it blocks talk of weapons and masks mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.fakes.serving import serving

GUARDRAIL = "abc123"
BLOCKED = "Sorry, I cannot answer this."
_EMAIL = re.compile(r"\S+@\S+\.[a-z]+")
_UNITS = ("topicPolicy", "contentPolicy", "wordPolicy", "sensitiveInformationPolicy", "contextualGroundingPolicy")


async def _apply(request: Request) -> JSONResponse:
    if request.path_params["guardrail"] != GUARDRAIL:
        return _refused(400, "ValidationException")
    if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
        return _refused(403, "AccessDeniedException")
    body = await request.json()
    assert body["source"] == "OUTPUT"
    (block,) = body["content"]
    text: str = block["text"]["text"]
    if "throttle" in text:
        return _refused(429, "ThrottlingException")
    if "weapons" in text:
        topic = {"topics": [{"name": "Weapons", "type": "DENY", "action": "BLOCKED"}]}
        return _answer(BLOCKED, {"topicPolicy": topic})
    if _EMAIL.search(text):
        entities = [{"match": one, "type": "EMAIL", "action": "ANONYMIZED"} for one in _EMAIL.findall(text)]
        found = {"sensitiveInformationPolicy": {"piiEntities": entities, "regexes": []}}
        return _answer(_EMAIL.sub("{EMAIL}", text), found)
    return _answer(None, {})


def _answer(text: str | None, assessment: dict[str, Any]) -> JSONResponse:
    usage = {f"{policy}Units": 1 for policy in _UNITS} | {"sensitiveInformationPolicyFreeUnits": 0}
    outputs = [] if text is None else [{"text": text}]
    action = "NONE" if text is None else "GUARDRAIL_INTERVENED"
    return JSONResponse({"usage": usage, "action": action, "outputs": outputs, "assessments": [assessment]})


def _refused(status: int, code: str) -> JSONResponse:
    return JSONResponse({"message": "no"}, status, {"x-amzn-errortype": code})


@contextmanager
def bedrock() -> Iterator[str]:
    """Serve it on a free port, and give its address."""
    path = "/guardrail/{guardrail}/version/{version}/apply"
    with serving(Starlette(routes=[Route(path, _apply, methods=["POST"])])) as url:
        yield url
