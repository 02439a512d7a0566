"""
How good the answers of a running platform are, on cases that say what is right.

    RAGSTONE_URL=… RAGSTONE_API_KEY=… python -m bench.answers CASES --index NAME [--answer JSON]

A case is a line of JSON: `question`, `answers` (references; empty where the index does not say), and `documents` (the
external ids that hold the answer, where that is known). `--answer` gives settings to try out, as `POST /query` takes
them. Token-F1 is that of SQuAD (Rajpurkar et al., 2016, section 6.1) against the best reference, 0 for a declined
question. A citation is right if it quotes a document of the case.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import report
from chalicelib.client.api import Client
from chalicelib.contracts.asking import Answer, QueryRequest
from chalicelib.contracts.release_settings import AnswerModel
from chalicelib.domain.runs import Verdict

RESAMPLES = 2_000
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MARKERS = re.compile(r"\[\d+\]")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Case:
    """A question, its reference answers (none: it cannot be answered), and the documents that hold them."""

    question: str
    answers: Sequence[str]
    documents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case; *cited* are the external ids behind its citations, one for each."""

    case: Case
    answer: Answer
    cited: Sequence[str]


def main() -> None:
    """Ask every case once, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--index", required=True)
    parser.add_argument("--answer", type=AnswerModel.model_validate_json)
    given = parser.parse_args()
    cases = [_case(json.loads(line)) for line in given.cases.read_text(encoding="utf-8").splitlines()]
    with Client(os.environ["RAGSTONE_URL"], os.environ["RAGSTONE_API_KEY"], timeout_s=120) as client:
        ids = {document.document_id: document.external_id or "" for document in client.documents(index=given.index)}
        outcomes = [_asked(client, case, given.index, given.answer, ids) for case in cases]
    report.row("answers", set=given.cases.stem, model=outcomes[0].answer.model, **figures(outcomes))


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """
    Give every figure with the 95 % interval of a bootstrap over cases.

    Token-F1, the answer rate and the citations' recall are over all cases that can be answered, the citations'
    precision over all citations given to those whose documents are known.
    """
    answerable = [one for one in outcomes if one.case.answers]
    others = [one for one in outcomes if not one.case.answers]
    known = [one for one in answerable if one.case.documents]
    answered = [one for one in answerable if not one.answer.abstained]
    measures: dict[str, tuple[Sequence[Outcome], Callable[[Sequence[Outcome]], float]]] = {
        "token_f1": (answerable, lambda some: _mean([_f1(one) for one in some])),
        "token_f1_answered": (answered, lambda some: _mean([_f1(one) for one in some])),
        "answer_rate": (answerable, lambda some: _mean([not one.answer.abstained for one in some])),
        "refusal_rate": (others, lambda some: _mean([one.answer.abstained for one in some])),
        "citation_precision": (known, _citation_precision),
        "citation_recall": (known, lambda some: _mean([bool(one.case.documents & set(one.cited)) for one in some])),
        "claims_supported": (answered, _claims_supported),
    }
    found = {name: _with_interval(some, measure) for name, (some, measure) in measures.items() if some}
    return {"cases": len(outcomes), "answerable": len(answerable), "answered": len(answered), **found}


def token_f1(given: str, references: Sequence[str]) -> float:
    """Give the F1 of the words of *given* against the best of *references*, without articles and punctuation."""
    return max((_pair_f1(_words(given), _words(one)) for one in references), default=0.0)


def _case(row: dict[str, Any]) -> Case:
    return Case(row["question"], row["answers"], frozenset(row.get("documents", ())))


def _asked(client: Client, case: Case, index: str, tried: AnswerModel | None, ids: dict[str, str]) -> Outcome:
    answer = client.query(QueryRequest(question=case.question, index=index, answer=tried))
    return Outcome(case, answer, [ids[citation.document_id] for citation in answer.citations])


def _f1(outcome: Outcome) -> float:
    if outcome.answer.abstained:
        return 0.0
    return token_f1(_MARKERS.sub("", outcome.answer.answer), outcome.case.answers)


def _citation_precision(outcomes: Sequence[Outcome]) -> float:
    return _mean([external in one.case.documents for one in outcomes for external in one.cited])


def _claims_supported(outcomes: Sequence[Outcome]) -> float:
    return _mean([claim.verdict is Verdict.SUPPORTED for one in outcomes for claim in one.answer.claims])


def _pair_f1(given: Sequence[str], reference: Sequence[str]) -> float:
    common = (Counter(given) & Counter(reference)).total()
    return 2 * common / (len(given) + len(reference)) if common else 0.0


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _with_interval(outcomes: Sequence[Outcome], measure: Callable[[Sequence[Outcome]], float]) -> dict[str, Any]:
    draw = random.Random(report.SEED)
    means = sorted(measure(draw.choices(outcomes, k=len(outcomes))) for _ in range(RESAMPLES))
    interval = [round(means[int(share * RESAMPLES)], 3) for share in (0.025, 0.975)]
    return {"mean": round(measure(outcomes), 3), "n": len(outcomes), "ci95": interval}


if __name__ == "__main__":
    main()
