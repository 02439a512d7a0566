"""
What a conversation adds: `python -m bench.conversations FOLDER --index NAME`, against a running platform.

*FOLDER* holds a set in BEIR form whose `queries.jsonl` has a `history` of turns, each ``user: …`` or ``agent: …``. Its
documents are in the index already, under their ids. Every question is asked alone and with its history. Printed are
nDCG@10 of both and the mean paired difference with a seeded bootstrap's 95 % interval, over all questions and
over those with a history. Address and key come from RAGSTONE_URL and RAGSTONE_API_KEY.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench import report
from bench.fusions import interval, judged_questions, ndcg, rows_of
from chalicelib.client.api import Client
from chalicelib.contracts.asking import RetrieveRequest, Turn

LONGEST_TURN = 8_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for all questions, and one for those that follow others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--index", required=True)
    chosen = parser.parse_args(arguments)
    histories = {str(row["_id"]): turns_of(row.get("history", [])) for row in rows_of(chosen.folder / "queries.jsonl")}
    questions = judged_questions(chosen.folder)
    with Client(os.environ["RAGSTONE_URL"], os.environ["RAGSTONE_API_KEY"]) as client:
        gains = []
        for key, question in questions.items():
            alone = _ndcg(client, chosen.index, question.text, [], question.gains)
            told = _ndcg(client, chosen.index, question.text, histories[key], question.gains)
            gains.append((bool(histories[key]), alone, told))
    _report(chosen.folder.name, "all", gains)
    _report(chosen.folder.name, "follow-ups", [one for one in gains if one[0]])


def turns_of(history: Sequence[str]) -> list[Turn]:
    """Give the turns of a *history*."""
    turns = []
    for said in history:
        speaker, _, content = said.partition(": ")
        turns.append(Turn(role="user" if speaker == "user" else "assistant", content=content[:LONGEST_TURN]))
    return turns


def _ndcg(client: Client, index: str, question: str, turns: list[Turn], gains: Mapping[str, int]) -> float:
    found = client.retrieve(RetrieveRequest(question=question, index=index, top_k=50, conversation=turns))
    return ndcg(list(dict.fromkeys(str(passage.external_id) for passage in found.passages)), gains)


def _report(name: str, which: str, gains: Sequence[tuple[bool, float, float]]) -> None:
    alone, told = np.array([one[1] for one in gains]), np.array([one[2] for one in gains])
    report.row(
        "conversations",
        set=name,
        questions=which,
        n=len(gains),
        alone=round(float(alone.mean()), 4),
        with_conversation=round(float(told.mean()), 4),
        difference=interval(told - alone),
        seed=report.SEED,
    )


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main()
