"""What a log line says, and what it never says."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from chalicelib.errors import NotFound
from chalicelib.observability import logs, spans
from chalicelib.observability.guard import MAX_CHARACTERS, REFUSED, RefusedField

CANARY = "canary-7f3a9c"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = before


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_its_facts(stream: io.StringIO) -> None:
    """Time, level, logger and event come first; facts stand beside them."""
    logs.get_logger("chalicelib.test").info("document_published", document_id="doc_1", chunks=3)
    (line,) = lines(stream)
    assert list(line)[:4] == ["time", "level", "logger", "event"]
    assert (line["level"], line["event"], line["document_id"], line["chunks"]) == (
        "info",
        "document_published",
        "doc_1",
        3,
    )


def test_a_fact_cannot_replace_the_head_of_the_line(stream: io.StringIO) -> None:
    """A fact named like a part of the head loses against it."""
    logs.get_logger("chalicelib.test").info("started", level="forged", event="forged")
    (line,) = lines(stream)
    assert (line["level"], line["event"]) == ("info", "started")


@pytest.mark.parametrize("name", ["text", "question", "document_text", "client_secret", "api_key", "Authorization"])
def test_a_refused_name_warns_and_loses_its_value(stream: io.StringIO, name: str) -> None:
    """Text and secrets are refused by name, in the facts and inside them; the warning fails a test run."""
    with pytest.warns(RefusedField, match=name):
        logs.get_logger("chalicelib.test").info(
            "asked", **{name: CANARY}, nested={"inner": [{name: CANARY}]} | {name: CANARY}
        )
    assert CANARY not in stream.getvalue()
    assert lines(stream)[0][name] == REFUSED


@pytest.mark.parametrize("name", ["input_tokens", "content_type", "text_bytes", "question_characters"])
def test_sizes_of_texts_are_facts(stream: io.StringIO, name: str) -> None:
    """Only a name that ends in the word of a text or secret is refused."""
    logs.get_logger("chalicelib.test").info("asked", **{name: 5})
    assert lines(stream)[0][name] == 5


def test_an_event_with_something_in_it_is_refused(stream: io.StringIO) -> None:
    """What varies belongs in a fact, where its name can be judged."""
    with pytest.warns(RefusedField):
        logs.get_logger("chalicelib.test").info(f"answered {CANARY}")
    assert CANARY not in stream.getvalue()


def test_objects_and_long_strings_do_not_spill(stream: io.StringIO) -> None:
    """An unknown object gives its class only, a secret nothing, a long string its beginning."""
    logs.get_logger("chalicelib.test").info("seen", one=SecretStr(CANARY), two={CANARY}.__iter__(), three="x" * 9_000)
    line = lines(stream)[0]
    assert CANARY not in stream.getvalue()
    assert line["one"] == "<SecretStr>"
    assert len(line["three"]) == MAX_CHARACTERS


def test_an_exception_gives_class_and_place_but_not_its_words(stream: io.StringIO) -> None:
    """Another's exception may repeat what it choked on."""
    try:
        int(CANARY)
    except ValueError:
        logs.get_logger("chalicelib.test").exception("parse_failed")
    failure = lines(stream)[0]["exception"]
    assert CANARY not in stream.getvalue()
    assert failure["class"] == "builtins.ValueError"
    assert failure["at"][-1].endswith("test_an_exception_gives_class_and_place_but_not_its_words")


def test_our_own_errors_keep_their_words_and_causes(stream: io.StringIO) -> None:
    """A RagError was written to be read; its foreign cause stays silent, and credentials in it are masked."""
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise NotFound("No index 'a'; asked with Bearer abc.def") from error
    except NotFound:
        logs.get_logger("chalicelib.test").exception("lookup_failed")
    failure = lines(stream)[0]["exception"]
    assert failure["detail"] == f"No index 'a'; asked with {REFUSED}"
    assert failure["cause"]["class"] == "builtins.ValueError"
    assert CANARY not in stream.getvalue()


def test_dependencies_are_heard_from_warning_without_their_arguments(stream: io.StringIO) -> None:
    """urllib3 puts whole URLs into its warnings, botocore whole bodies into its debug lines."""
    for name in ("urllib3.connectionpool", "botocore.endpoint", "uvicorn.error"):
        logging.getLogger(name).info("body %s", CANARY)
        logging.getLogger(name).warning("Retrying after %s", CANARY)
        logging.getLogger(name).warning(f"GET https://blobs/x?signature={CANARY}")  # noqa: G004  as some dependencies do
    assert {line["message"] for line in lines(stream)} == {"Retrying after %s", f"GET https://blobs/x{REFUSED}"}
    assert CANARY not in stream.getvalue()


def test_bound_fields_stay_with_their_task(stream: io.StringIO) -> None:
    """60 tasks bind and log at once; each line carries its own fields and trace."""
    log = logs.get_logger("chalicelib.test")
    traces: dict[str, str] = {}

    async def request(number: int) -> None:
        traces[f"t{number}"] = spans.start_trace()
        logs.bind(tenant=f"t{number}")
        await asyncio.sleep(0)
        with logs.bind(run_id=f"r{number}"):
            await asyncio.to_thread(log.info, "inside")
        log.info("outside")

    async def all_requests() -> None:
        await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(60)))

    asyncio.run(all_requests())
    written = lines(stream)
    assert len(written) == 120
    assert all(line["trace_id"] == traces[line["tenant"]] for line in written)
    assert all(
        line.get("run_id") == (f"r{line['tenant'][1:]}" if line["event"] == "inside" else None) for line in written
    )
