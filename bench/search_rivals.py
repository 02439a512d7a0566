"""
Hybrid search against plain NumPy and bm25s (the limit), LanceDB (hybrid) and Chroma (dense), in one run.

`python -m bench.search_rivals`, or with `--chunks 20000 100000 300000` and `--environment FOLDER`, which keeps the
environment that the others are installed into (1 GB, from the package index, by name and version); without one they
are skipped, with the reason, where it cannot be made. Everybody searches the same random vectors and texts
(`bench.corpus`) with the same questions, their vectors made beforehand by the platform's embedder, for the best ten.
Ragstone is measured over HTTP, beyond the embedding, and its store by itself, which gives 100 candidates of each leg
with all their scores. The store is also asked under filters that let one half, a twentieth and a thousandth pass.
*p5_ms* is the time that one question in twenty stays below: on a machine that others use too, the figure to compare.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import corpus, platform, report, rivals
from bench.retrieval import QUESTION_WORDS, Caller
from bench.texts import Words
from chalicelib.ports.models import Purpose
from fargate.adapters.openvino_models import OpenVinoEmbedder

SIZES = (20_000, 100_000)
QUESTIONS = 200
WARM_UP = 30
PACKAGES = {"lancedb": "0.40.0", "chromadb": "1.5.9", "bm25s": "0.3.16", "numpy": "2.4.6"}
OTHERS = ("limit", "lancedb", "chroma")
PROGRAM = Path(__file__).with_name("search_programs.py")
Spent = Mapping[str, Any]


def main(arguments: Sequence[str] = ()) -> None:
    """Print, for each size, a row for everybody."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=1, help="how often each is measured")
    parser.add_argument("--without", nargs="*", default=(), choices=OTHERS, help="who is left out")
    parser.add_argument("--environment", type=Path, help="a folder that keeps the others' environment")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        python = _environment(options.environment or Path(folder) / "environment")
        report.row("search_rivals.versions", **PACKAGES)
        names = [name for name in OTHERS if python and name not in options.without]
        for size in options.chunks:
            with tempfile.TemporaryDirectory() as data:
                _contest(Path(data), size, python, names, options.rounds)


def _environment(folder: Path) -> Path | None:
    try:
        return rivals.environment(folder, PACKAGES)
    except (subprocess.CalledProcessError, OSError) as error:
        report.row("search_rivals.skipped", names=OTHERS, reason=f"not installed: {error}")
        return None


def _contest(folder: Path, size: int, python: Path | None, names: Sequence[str], rounds: int) -> None:
    questions = _laid_out(folder, size)
    runs: dict[str, Callable[[], Spent]] = {
        "ragstone over HTTP": partial(_over_http, folder / "data", questions),
        "ragstone's store": partial(_program, [sys.executable, "-m", "bench.store_alone", str(folder)]),
        **{name: partial(_program, [str(python), "-P", str(PROGRAM), name, str(folder)]) for name in names},
    }
    for name, run in [*runs.items()] * rounds:
        load = round(os.getloadavg()[0], 2)
        try:
            spent = run()
        except subprocess.CalledProcessError as error:
            report.row("search_rivals.skipped", names=[name], chunks=size, reason=str(error)[-200:])
            continue
        _print(name, size, spent, load)


def _laid_out(folder: Path, size: int) -> list[str]:
    """Fill a data folder, and write what is in it, and the questions, for those who know no such folder."""
    corpus.fill(folder / "data", size, report.SEED)
    keys, texts, vectors = corpus.contents(size, report.SEED)
    words = Words(report.SEED + 1)
    questions = [words.text(QUESTION_WORDS) for _ in range(QUESTIONS)]
    for name, content in (("keys", keys), ("texts", texts), ("questions", questions)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
    with closing(OpenVinoEmbedder()) as embedder:
        embedded = asyncio.run(embedder.embed(questions, Purpose.QUERY)).vectors
    np.save(folder / "questions.npy", np.frombuffer(b"".join(embedded), "<f4").reshape(len(questions), -1))
    return questions


def _over_http(data: Path, questions: Sequence[str]) -> Spent:
    words = Words(report.SEED + 2)
    with platform.running(data) as running:
        caller = Caller(running)
        for _ in range(WARM_UP):
            caller.ask({"question": words.text(QUESTION_WORDS)})
        asked = [caller.ask({"question": question}) for question in questions]
        memory_mib = running.resident_mib()["Pss"]
    embedding_ms = [json.loads(found)["timings_ms"]["embed"] for _, found in asked]
    beyond_s = [seconds - ms / 1_000 for (seconds, _), ms in zip(asked, embedding_ms, strict=True)]
    return {"made_s": running.health_s, "spent_s": beyond_s, "memory_mib": memory_mib}


def _program(command: Sequence[str]) -> Spent:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=_one_thread())
    spent: Spent = json.loads(done.stdout.splitlines()[-1])
    return spent


def _one_thread() -> dict[str, str]:
    """Give the environment in which nobody reports to anybody, and no product waits for other threads."""
    return rivals.offline() | {"OPENBLAS_NUM_THREADS": "1", "RUST_LOG": "error"}


def _print(name: str, size: int, spent: Spent, load: float) -> None:
    kinds = spent["spent_s"] if isinstance(spent["spent_s"], dict) else {"": spent["spent_s"]}
    raw_mib = size * corpus.DIMENSION * 4 / 2**20
    for kind, seconds in kinds.items():
        report.row(
            "search_rivals",
            name=name,
            chunks=size,
            **({"kind": kind} if kind else {}),
            n=len(seconds),
            **report.percentiles_ms(seconds),
            p5_ms=round(1_000 * sorted(seconds)[len(seconds) // 20], 2),
            made_s=round(spent["made_s"], 1),
            memory_mib=round(spent["memory_mib"], 1),
            memory_of_raw=round(spent["memory_mib"] / raw_mib, 2),
            **({"recall_100": spent["recall"]} if "recall" in spent else {}),
            seed=report.SEED,
            load_before=load,
        )


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main(sys.argv[1:])
