"""The same request, the same effect: what `Idempotency-Key` promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from chalicelib.domain.access import Principal
from chalicelib.edge.operations import Call, Operation, Repeat
from chalicelib.errors import InvalidRequest, RagError
from chalicelib.observability.logs import get_logger
from chalicelib.repositories.idempotency import RecordedAnswer

KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation answers with; *replayed* when it was done before."""

    content: BaseModel | Mapping[str, Any]
    replayed: bool = False


def once(operation: Operation, call: Call[Any], key: str | None, request_digest: str) -> Reply:
    """
    Do what *operation* does unless it was done under *key* before; then answer as *operation* answers repeats.

    A request that fails gives its key up again. Raises `IdempotencyMismatch`, and `Conflict` while the first request
    with this key is still under way.
    """
    if key is None or operation.repeat is None:
        return Reply(operation.view(call))
    if not _KEY.fullmatch(key):
        raise InvalidRequest(f"{KEY_HEADER} must be 1 to 255 visible ASCII characters.")
    recorded = call.edge.idempotency.claim(call.principal, key, request_digest, call.edge.clock.now())
    if recorded is not None:
        return Reply(operation.repeat.again(call, recorded.body), replayed=True)
    result = _do(operation.view, call, key)
    _keep(operation, operation.repeat, call, result, key, request_digest)
    return Reply(result)


def _do(view: Callable[[Any], BaseModel], call: Call[Any], key: str) -> BaseModel:
    try:
        return view(call)
    except BaseException:  # whatever ended it: the claim must not outlive the request
        _give_up(call, key)
        raise


def _give_up(call: Call[Any], key: str) -> None:
    principal: Principal = call.principal
    try:
        call.edge.idempotency.release(principal, key)
    except RagError:
        log.exception("idempotency_claim_not_released")


def _keep(
    operation: Operation, repeat: Repeat[Any, Any], call: Call[Any], result: BaseModel, key: str, request_digest: str
) -> None:
    """Remember the answer; where that fails, the work is done all the same and must be answered as done."""
    answer = RecordedAnswer(operation.status, repeat.keep(result))
    try:
        call.edge.idempotency.record(call.principal, key, request_digest, answer, call.edge.clock.now())
    except RagError:
        log.exception("idempotent_answer_not_kept", operation=operation.name)
