"""The log: one JSON object a line, an event and its facts, never a document's text and never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from chalicelib.errors import RagError
from chalicelib.observability.guard import REFUSED, RefusedField, clean, scrub
from chalicelib.observability.spans import current_trace_id

_OURS = ("chalicelib", "fargate", "ui", "app")
_SERVER = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_EVENT = re.compile(r"^[a-z][a-z0-9_]{1,63}$")
_MAX_FRAMES = 12
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_bound: ContextVar[Mapping[str, Any]] = ContextVar("ragstone_log_fields", default={})  # noqa: B039  never mutated


class Logger:
    """Writes events; *event* is a short constant in snake_case, *facts* are what varies (see `guard.clean`)."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **facts: Any) -> None:
        """Write what only somebody hunting a fault wants to know."""
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, /, **facts: Any) -> None:
        """Write that something happened as it should."""
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, /, **facts: Any) -> None:
        """Write that something went wrong and was dealt with."""
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, /, **facts: Any) -> None:
        """Write that something failed."""
        self._write(logging.ERROR, event, facts)

    def exception(self, event: str, /, **facts: Any) -> None:
        """Write that something failed, with class and place of the exception being handled."""
        self._write(logging.ERROR, event, facts, with_exception=True)

    def _write(self, level: int, event: str, facts: Mapping[str, Any], *, with_exception: bool = False) -> None:
        if not self._logger.isEnabledFor(level):
            return
        if not _EVENT.match(event):
            warnings.warn("an event is a constant in snake_case; what varies is a fact", RefusedField, stacklevel=3)
            event = REFUSED
        self._logger.log(level, event, extra={"facts": clean(facts)}, exc_info=with_exception)


class _Bound:
    def __init__(self, before: Mapping[str, Any]) -> None:
        self._before = before

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        _bound.set(self._before)


def get_logger(name: str) -> Logger:
    """Give the logger of a module: ``log = get_logger(__name__)``."""
    return Logger(name)


def bind(**fields: Any) -> _Bound:
    """
    Put *fields* (`tenant`, `run_id`, …) on every line of this task from now on, or to the end of a ``with bind(…)``.

    Tasks and `asyncio.to_thread` calls begun meanwhile inherit them.
    """
    before = _bound.get()
    _bound.set({**before, **clean(fields)})
    return _Bound(before)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """
    Write every log of the process to *stream* (standard error): ours from *level*, those of dependencies from WARNING.

    Dependencies' lines carry their message without its arguments, which may hold anything. Called by the composition
    roots only. A uvicorn started afterwards needs ``log_config=None``, or it takes its loggers back.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for name in _SERVER:
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate, server.level = True, logging.NOTSET


class JsonLines(logging.Formatter):
    """Formats a record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without its end."""
        facts: Mapping[str, Any] | None = getattr(record, "facts", None)
        head = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": "dependency_log" if facts is None else record.msg,
        }
        said = {"message": scrub(str(record.msg))} if facts is None else facts
        # The head stands first and cannot be replaced by a fact of the same name.
        line = {**head, **_context(), **said, **_failure(record), **head}
        return _ENCODER.encode(line)


def _context() -> dict[str, Any]:
    trace_id = current_trace_id()
    return {**({"trace_id": trace_id} if trace_id else {}), **_bound.get()}


def _failure(record: logging.LogRecord) -> dict[str, Any]:
    error = record.exc_info[1] if record.exc_info else None
    return {} if error is None else {"exception": _described(error)}


def _described(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"class": f"{type(error).__module__}.{type(error).__qualname__}"}
    # Only our own errors have words that were written to be read; another's may repeat a document or a key.
    if isinstance(error, RagError):
        described |= {"code": error.code, "detail": scrub(error.detail)}
    frames = list(traceback.walk_tb(error.__traceback__))[-_MAX_FRAMES:]
    described["at"] = [f"{frame.f_globals.get('__name__')}:{line} {frame.f_code.co_name}" for frame, line in frames]
    if error.__cause__ is not None:
        described["cause"] = _described(error.__cause__)
    return described
