"""
`POST /v1/retrieve`, hybrid, top 10, over HTTP on indexes of several sizes.

`python -m bench retrieval`, or `python -m bench.retrieval --chunks 20000`. Latency is one caller's on a connection
kept alive; *beyond_embedding* leaves out what the service says its question took to embed, *beyond_service* is what
the service's own total does not hold: HTTP, gateway, authorizer, edge, and the stored run.

Several callers ask three times: questions that are `new`; those again, each under a filter of its own that every chunk
passes, so that their `vectors are known` but the search is done anew; and questions `asked before` word for word.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import corpus, platform, report
from bench.texts import Words

SIZES = (20_000, 100_000)
QUESTIONS = 400
QUESTION_WORDS = 8
WARM_UP = 30
FILTERED = (0.5, 0.05, 0.001)
FILTERED_QUESTIONS = 100
CALLERS = 8
CALLER_QUESTIONS = 100
REPEATED = 50
"""How many questions are asked again and again; more would not all be remembered, nor asked by people."""
STAGES = ("settle", "embed", "search", "hydrate", "total")


def main(arguments: Sequence[str] = ()) -> None:
    """Print, for each size, a row for one caller and one for several."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=SIZES)
    for size in parser.parse_args(arguments).chunks:
        with tempfile.TemporaryDirectory() as folder:
            corpus.fill(Path(folder), size, report.SEED)
            with platform.running(Path(folder)) as running:
                _measure(running, size)


def _measure(running: platform.Platform, size: int) -> None:
    words = Words(report.SEED + 1)
    questions = [words.text(QUESTION_WORDS) for _ in range(WARM_UP + QUESTIONS)]
    caller = Caller(running)
    began = time.perf_counter()
    caller.ask({"question": questions[0]})
    first_ms = round(1_000 * (time.perf_counter() - began), 1)
    for question in questions[1:WARM_UP]:
        caller.ask({"question": question})
    cpu = running.cpu_s()
    asked = [caller.ask({"question": question}) for question in questions[WARM_UP:]]
    _one_caller(size, asked, first_ms=first_ms, cpu_s=running.cpu_s() - cpu)
    for share in FILTERED:
        passing = {"lot": {"$lt": round(share * corpus.LOTS)}}
        narrowed = [{"question": words.text(QUESTION_WORDS), "filter": passing} for _ in range(FILTERED_QUESTIONS)]
        _filtered(size, share, [caller.ask(one) for one in narrowed])
    _several_callers(running, size, [words.text(QUESTION_WORDS) for _ in range(CALLERS * CALLER_QUESTIONS)])


def _filtered(size: int, share: float, asked: Sequence[tuple[float, bytes]]) -> None:
    embedding_ms = [json.loads(found)["timings_ms"]["embed"] for _, found in asked]
    beyond_s = [seconds - ms / 1_000 for (seconds, _), ms in zip(asked, embedding_ms, strict=True)]
    report.row(
        "retrieval.filtered",
        chunks=size,
        passing=share,
        n=len(asked),
        beyond_embedding=report.percentiles_ms(beyond_s),
        **_conditions(),
    )


def _several_callers(running: platform.Platform, size: int, questions: Sequence[str]) -> None:
    _ask_at_once(running, size, "new", [{"question": one} for one in questions])
    passed_by_all = [{"year": {"$gte": -number}} for number in range(len(questions))]
    narrowed = [{"question": one, "filter": wanted} for one, wanted in zip(questions, passed_by_all, strict=True)]
    _ask_at_once(running, size, "vectors are known", narrowed)
    again = [{"question": one} for one in questions[:REPEATED]]
    _ask_at_once(running, size, "asked before", again * (len(questions) // REPEATED))


class Caller:
    """Asks over one connection that stays open, with next to no work of its own."""

    def __init__(self, running: platform.Platform) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", running.port)
        self._headers = {"Authorization": f"Bearer {running.api_key}", "Content-Type": "application/json"}

    def ask(self, request: Mapping[str, Any]) -> tuple[float, bytes]:
        """Give the seconds from sending *request* to the last byte of its passages, and these."""
        body = json.dumps({**request, "top_k": 10})
        began = time.perf_counter()
        self._connection.request("POST", "/v1/retrieve", body, self._headers)
        answer = self._connection.getresponse()
        found = answer.read()
        seconds = time.perf_counter() - began
        assert answer.status == http.client.OK, found
        return seconds, found


def _one_caller(size: int, asked: Sequence[tuple[float, bytes]], *, first_ms: float, cpu_s: float) -> None:
    answers = [json.loads(found) for _, found in asked]
    stages = [answer["timings_ms"] for answer in answers]
    totals_s = [seconds for seconds, _ in asked]
    beyond_s = [seconds - stage["embed"] / 1_000 for seconds, stage in zip(totals_s, stages, strict=True)]
    outside = [1_000 * seconds - stage["total"] for seconds, stage in zip(totals_s, stages, strict=True)]
    report.row(
        "retrieval.one_caller",
        chunks=size,
        n=len(asked),
        passages=statistics.mean(len(answer["passages"]) for answer in answers),
        http=report.percentiles_ms(totals_s),
        beyond_embedding=report.percentiles_ms(beyond_s),
        beyond_service_p50_ms=round(statistics.median(outside), 2),
        service_p50_ms={name: round(statistics.median(stage[name] for stage in stages), 2) for name in STAGES},
        platform_cpu_ms=round(1_000 * cpu_s / len(asked), 2),
        first_ms=first_ms,
        **_conditions(),
    )


def _ask_at_once(running: platform.Platform, size: int, kind: str, requests: Sequence[Mapping[str, Any]]) -> None:
    shares = [requests[number::CALLERS] for number in range(CALLERS)]
    with ThreadPoolExecutor(CALLERS) as threads:
        callers = [Caller(running) for _ in shares]
        list(threads.map(lambda caller: caller.ask(requests[0]), callers))
        cpu, began = running.cpu_s(), time.perf_counter()
        asked = list(threads.map(lambda caller, share: [caller.ask(one) for one in share], callers, shares))
        seconds, cpu = time.perf_counter() - began, running.cpu_s() - cpu
    latencies = [one for share in asked for one, _ in share]
    report.row(
        "retrieval.callers",
        chunks=size,
        questions=kind,
        n=len(latencies),
        callers=CALLERS,
        queries_per_s=round(len(latencies) / seconds, 1),
        queries_per_core_s=round(len(latencies) / cpu, 1),
        cores_used=round(cpu / seconds, 2),
        http=report.percentiles_ms(latencies),
        resident_mib=running.resident_mib(),
        **_conditions(),
    )


def _conditions() -> dict[str, Any]:
    return {"seed": report.SEED, "load_1min": round(os.getloadavg()[0], 2)}


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main(sys.argv[1:])
