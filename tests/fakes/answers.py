"""Answers and passages as the contracts have them."""

from __future__ import annotations

from chalicelib.contracts.asking import Answer, CitationView, ClaimView, PassageView, UsageView
from chalicelib.domain.runs import Verdict


def passage(number: int = 1) -> PassageView:
    """Give a passage."""
    return PassageView(
        chunk_id=f"chk_{number}",
        document_id="doc_1",
        external_id="leave.md",
        name="leave.md",
        version=1,
        page=None,
        heading_path=["Leave"],
        text="Everybody has 30 days.",
        start=9,
        end=31,
        score=0.5,
        metadata={"team": "hr"},
    )


def answer(text: str = "Everybody has 30 days. [1]") -> Answer:
    """Give an answer with one citation."""
    citation = CitationView(
        marker=1,
        chunk_id="chk_1",
        document_id="doc_1",
        name="leave.md",
        page=3,
        heading_path=["Leave"],
        quote="Everybody has 30 days.",
        start=9,
        end=31,
    )
    return Answer(
        run_id="run_1",
        answer=text,
        abstained=False,
        citations=[citation],
        claims=[ClaimView(text=text, verdict=Verdict.SUPPORTED, citations=[1])],
        release="rel_1",
        model="local/extractive",
        usage=UsageView(input_tokens=1, output_tokens=2, cost_usd_micros=0, unpriced=False),
        timings_ms={"total": 1.5},
        feedback_token=None,
    )
