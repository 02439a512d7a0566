"""Personal data in what answers say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.asking import DoneEvent, QueryRequest, TokenEvent
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import GenerationSettings, Redaction, RedactionSettings, ReleaseConfig
from fargate.generation.redaction import Redactor, redacted
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

ALL = RedactionSettings(tuple(Redaction), "US")

FOUND = [
    ("Write to ann.lee+x@mail.example.co.uk, please.", "Write to [email], please."),
    ("a_b-c@example.com.", "[email]."),
    ("Mail ann@example.com or bob@example.com", "Mail [email] or [email]"),
    ("Call +49 30 901820 now", "Call [phone] now"),
    ("Call +1 212-555-0143.", "Call [phone]."),
    ("Call (212) 555-0143 today", "Call [phone] today"),
    ("Tel.: +44 20 7946 0958", "Tel.: [phone]"),
    ("IBAN DE89 3704 0044 0532 0130 00 is ours", "IBAN [iban] is ours"),
    ("GB82WEST12345698765432", "[iban]"),
    ("To GB29 NWBK 6016 1331 9268 19 PLEASE", "To [iban] PLEASE"),
    ("Card 4111 1111 1111 1111, valid", "Card [card], valid"),
    ("5500-0000-0000-0004", "[card]"),
    ("378282246310005", "[card]"),
    ("His number is 219-09-9999.", "His number is [ssn]."),
]
KEPT = [
    "Version 4.11.1 costs 1,024 USD for 2026-11-23 at 10:55.",
    "Order 4111 1111 1111 1112 was shipped",
    "0000 0000 0000 0000",
    "DE89 3704 0044 0532 0130 01",
    "The host is 192.168.100.200 on port 8080",
    "arn:aws:s3:::bucket-1234567890123456/key",
    "user@localhost and @ann and a @ b",
    "000-12-3456, 666-12-3456, 912-12-3456, 219-00-9999",
    "Section 219-09-9999-1",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "30 days [1], 64,000 IOPS [2]",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_personal_data_is_taken_out(text: str, expected: str) -> None:
    """Each kind in the forms that people write it in."""
    assert redacted(text, ALL).text == expected


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_and_names_stay(text: str) -> None:
    """What has the form but not the check digits, and what enterprise documents are full of."""
    assert redacted(text, ALL).text == text


def test_only_the_kinds_that_are_named_are_taken_out() -> None:
    """By default none."""
    text = "ann@example.com or +49 30 901820"
    assert redacted(text, RedactionSettings()).text == text
    assert redacted(text, RedactionSettings((Redaction.EMAIL,))).text == "[email] or +49 30 901820"


def test_a_number_without_a_country_code_needs_a_region() -> None:
    """What is a phone number in one country is none in another."""
    kinds = (Redaction.PHONE,)
    assert redacted("030 901820", RedactionSettings(kinds)).count == 0
    assert redacted("030 901820", RedactionSettings(kinds, "DE")).text == "[phone]"


samples = st.sampled_from([text for text, _ in FOUND] + KEPT + ["\n", " ", ". ", "@", "+", "4"])


@given(st.lists(samples, max_size=6), st.data())
def test_it_does_not_matter_where_a_stream_is_cut(chosen: list[str], data: st.DataObject) -> None:
    """Any pieces of one text come to what the whole comes to."""
    text = " ".join(chosen)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    redactor = Redactor(ALL)
    said = "".join(map(redactor.feed, pieces)) + redactor.end()
    whole = redacted(text, ALL)
    assert (said, redactor.count) == (whole.text, whole.count)


def test_without_kinds_nothing_is_held_back() -> None:
    """A stream is as fast as it was."""
    assert Redactor(RedactionSettings()).feed("ann@exam") == "ann@exam"


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        settings = GenerationSettings(model="chat", redact=RedactionSettings((Redaction.EMAIL,)))
        opened.release(ReleaseConfig(INDEX, 1, Recipe(), answer=settings))
        opened.add("Leave is asked for at ann@example.com in time.")
        opened.gateway.reply = lambda _: "Leave is asked for at ann@example.com in time [1]."
        yield opened


def test_answers_streams_claims_and_runs_are_without_it(known: Knowledge) -> None:
    """The quote stays: it is the document's, which its reader may read. The run tells how much was taken out."""
    service = known.generation(gateway=known.gateway)

    async def events() -> list[object]:
        return [event async for event in service.stream(reader(), QueryRequest(question="Where is leave asked for?"))]

    heard = asyncio.run(events())
    done = heard[-1]
    assert isinstance(done, DoneEvent)
    said = "".join(event.text for event in heard if isinstance(event, TokenEvent))
    assert said == done.answer.answer == "Leave is asked for at [email] in time [1]."
    assert [claim.text for claim in done.answer.claims] == ["Leave is asked for at [email] in time."]
    assert done.answer.citations[0].quote == "Leave is asked for at ann@example.com in time."
    run = known.runs.get(known.tenant, RunId(done.answer.run_id))
    assert run.answer == said
    assert "Personal data was taken out of the answer in 1 places." in run.degraded
