"""The claim check tells what a passage says from what it does not, on documents that were not looked at for it."""

from __future__ import annotations

import asyncio

from bench.claims import CORRUPTIONS, SAMPLE, SUPPORTED_KINDS, cases, figures, halves, verdicts


def test_words_and_facts_alone_keep_to_their_floors() -> None:
    """Right statements are never rejected, however worded; figures, names, negations and sources are, when wrong."""
    made = cases(halves(SAMPLE, "test"), each=4)
    told = figures(made, asyncio.run(verdicts(made, None)))
    assert {kind: one.rejected for kind, one in told.items() if kind in SUPPORTED_KINDS and one.rejected > 0.03} == {}
    floors = {"number": 0.9, "name": 0.75, "negation": 0.75, "wrong source": 0.5}
    assert {kind: told[kind].rejected for kind, floor in floors.items() if told[kind].rejected < floor} == {}
    assert all(told[kind].n >= 10 for kind in CORRUPTIONS)


def test_the_halves_share_no_document() -> None:
    """What was looked at while the check was written takes no part in its figures."""
    dev, test = halves(SAMPLE, "dev"), halves(SAMPLE, "test")
    assert dev
    assert test
    assert not {file.name for file in dev} & {file.name for file in test}
