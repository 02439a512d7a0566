"""
How well each chunker lets the right text be found: `python -m bench.chunkers FOLDER`.

*FOLDER* holds texts and a `questions.jsonl`, each line with `corpus` (a text's name), `question` and `references`
(places in it, by `start_index` and `end_index`), as Chroma published theirs. Every text is parsed, cut, embedded and
searched by the platform's own code, all of them in one index.

Recall, precision and IoU are those of Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma,
2024, counted in characters as their code does: of what is referred to, the share that was retrieved; of what was
retrieved, as often as it was, the share that is referred to; and what both have in common over what either has. `at_5`
takes the five best pieces, `at_least` as many as hold a part of the references. `for_recall` is the smallest number of
pieces that reach a recall of .95.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import mean

import numpy as np

from bench import report
from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Chunk, ParsedDocument
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, TenantId
from chalicelib.domain.indexes import ChunkContext, Component
from chalicelib.domain.releases import RetrievalSettings, Strategy
from chalicelib.ports.models import Embedder, EmbedderInfo, Embeddings, Purpose, TokenSpans
from chalicelib.ports.vectors import VectorIndexSpec, VectorQuery, VectorRecord
from chalicelib.repositories import keys
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.ingestion.chunkers import registry
from fargate.ingestion.cutting import embedded_texts, name_chunks, spans_of
from fargate.ingestion.parsers import plain
from fargate.ingestion.parsers.source import Source
from fargate.retrieval.ranking import Ranking

CANDIDATES = (
    *(Component("structure", {"max_tokens": size, "overlap_tokens": size // 8}) for size in (64, 128, 192, 256, 512)),
    *(Component("fixed", {"max_tokens": size, "overlap_tokens": size // 8}) for size in (128, 256)),
    *(Component("sentence", {"max_tokens": size, "overlap_sentences": 1}) for size in (64, 128, 256)),
    *(Component("semantic", {"max_tokens": size, "min_tokens": size // 4}) for size in (128, 256)),
    *(
        Component("parent_child", {"child_tokens": child, "parent_tokens": parent})
        for child, parent in ((64, 128), (64, 256), (128, 256), (128, 512))
    ),
)
STRATEGIES = (Strategy.DENSE, Strategy.HYBRID)
FIVE = 5
RECALL = 0.95
MOST = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of a text."""

    corpus: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and where its answer stands."""

    text: str
    references: Sequence[Place]


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for each chunker and strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="a file that keeps embeddings from run to run")
    parser.add_argument("--only", nargs="*", help="names of chunkers")
    options = parser.parse_args(arguments)
    questions = _questions(options.folder)
    corpora = _corpora(options.folder, questions)
    with closing(OpenVinoEmbedder()) as model:
        embedder = KeptEmbeddings(model, options.cache)
        for candidate in CANDIDATES:
            if not options.only or candidate.name in options.only:
                asyncio.run(_measure(candidate, corpora, questions, embedder))


class KeptEmbeddings:
    """See `Embedder`; embeds no text twice, from run to run where there is a file to keep them in."""

    def __init__(self, embedder: Embedder, path: Path | None) -> None:
        self._embedder = embedder
        self._path = path
        self._kept: dict[str, bytes] = {}
        if path and path.exists():
            with np.load(path) as file:
                self._kept = {str(key): row.tobytes() for key, row in zip(file["keys"], file["rows"], strict=True)}

    @property
    def info(self) -> EmbedderInfo:
        """See `Embedder.info`."""
        return self._embedder.info

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`."""
        names = {sha256(f"{purpose}\n{text}".encode()).hexdigest(): text for text in texts}
        missing = [name for name in names if name not in self._kept]
        if missing:
            embedded = await self._embedder.embed([names[name] for name in missing], purpose)
            self._kept.update(zip(missing, embedded.vectors, strict=True))
        wanted = [sha256(f"{purpose}\n{text}".encode()).hexdigest() for text in texts]
        return Embeddings([self._kept[name] for name in wanted], [0] * len(texts))

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`."""
        return self._embedder.token_spans(text)

    def keep(self) -> None:
        """Write the file."""
        if self._path:
            rows = np.array([np.frombuffer(vector, "<f4") for vector in self._kept.values()])
            np.savez(self._path, keys=np.array(list(self._kept)), rows=rows)


def _questions(folder: Path) -> list[Question]:
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Question(
            asked["question"],
            [Place(asked["corpus"], one["start_index"], one["end_index"]) for one in asked["references"]],
        )
        for asked in map(json.loads, lines)
    ]


def _corpora(folder: Path, questions: Sequence[Question]) -> dict[str, ParsedDocument]:
    """Read the texts as plain text, whose places are those in the file."""
    names = sorted({place.corpus for question in questions for place in question.references})
    parsed = {name: plain.parse(Source((folder / name).read_bytes(), name, "text/plain")) for name in names}
    for name, document in parsed.items():
        assert (folder / name).read_text(encoding="utf-8").startswith(document.text), f"{name}: places have moved"
    return parsed


async def _measure(
    candidate: Component,
    corpora: Mapping[str, ParsedDocument],
    questions: Sequence[Question],
    embedder: KeptEmbeddings,
) -> None:
    chunks = {one.chunk_id: one for name in corpora for one in await _cut(candidate, name, corpora[name], embedder)}
    asked = await embedder.embed([question.text for question in questions], Purpose.QUERY)
    pieces = set(map(_read, chunks.values()))
    least = [sum(_touches(piece, question) for piece in pieces) for question in questions]
    with tempfile.TemporaryDirectory() as folder, closing(SqliteVectors(Path(folder))) as vectors:
        await _fill(vectors, corpora, list(chunks.values()), embedder)
        for strategy in STRATEGIES:
            found = [
                _search(vectors, strategy, question, vector, chunks)
                for question, vector in zip(questions, asked.vectors, strict=True)
            ]
            _report(candidate, strategy, list(chunks.values()), questions, found, least)
    embedder.keep()


async def _cut(candidate: Component, name: str, parsed: ParsedDocument, embedder: Embedder) -> list[Chunk]:
    spans = await spans_of(parsed, registry.get(candidate), embedder)
    return name_chunks(parsed, spans, DocumentId(name), AttemptId(f"att_{name}"))


async def _fill(
    vectors: SqliteVectors, corpora: Mapping[str, ParsedDocument], chunks: Sequence[Chunk], embedder: Embedder
) -> None:
    vectors.create(_INDEX, VectorIndexSpec(embedder.info.dimension))
    for name, parsed in corpora.items():
        mine = [chunk for chunk in chunks if chunk.document_id == name]
        texts = embedded_texts(parsed.title, mine, ChunkContext.HEADINGS)
        embedded = await embedder.embed(texts, Purpose.DOCUMENT)
        records = zip(mine, embedded.vectors, texts, strict=True)
        for batch in _batches([VectorRecord(chunk.chunk_id, vector, text, {}) for chunk, vector, text in records]):
            vectors.put(_INDEX, batch)


_INDEX = keys.vector_index(Tenant(TenantId("bench")), "chunkers", 1)


def _batches(records: Sequence[VectorRecord], size: int = 500) -> Iterator[Sequence[VectorRecord]]:
    return (records[start : start + size] for start in range(0, len(records), size))


def _search(
    vectors: SqliteVectors, strategy: Strategy, question: Question, vector: bytes, chunks: Mapping[ChunkId, Chunk]
) -> list[Place]:
    """Give the pieces that are read, best first, each once."""
    ranking = Ranking.of(RetrievalSettings(strategy=strategy))
    text = question.text if ranking.lexical else None
    hits = vectors.query(_INDEX, VectorQuery(top_k=MOST, vector=vector, text=text))
    return list(dict.fromkeys(_read(chunks[ChunkId(one.hit.key)]) for one in ranking.order([hits])))


def _read(chunk: Chunk) -> Place:
    part = chunk.parent or chunk
    return Place(chunk.document_id, part.start, part.end)


def _touches(piece: Place, question: Question) -> bool:
    return any(
        piece.corpus == one.corpus and piece.start < one.end and one.start < piece.end for one in question.references
    )


def _report(
    candidate: Component,
    strategy: Strategy,
    chunks: Sequence[Chunk],
    questions: Sequence[Question],
    found: Sequence[Sequence[Place]],
    least: Sequence[int],
) -> None:
    report.row(
        "chunkers",
        chunker=candidate.name,
        **candidate.parameters,
        strategy=strategy,
        chunks=len(chunks),
        mean_tokens=round(mean(chunk.tokens for chunk in chunks)),
        questions=len(questions),
        at_5=_scores(questions, [one[:FIVE] for one in found]),
        at_least=_scores(questions, [one[:count] for one, count in zip(found, least, strict=True)]),
        for_recall=_smallest(questions, found),
    )


def _smallest(questions: Sequence[Question], found: Sequence[Sequence[Place]]) -> dict[str, float] | None:
    shares = [_recalls(question, places) for question, places in zip(questions, found, strict=True)]
    for top_k in range(1, MOST + 1):
        if mean(share[min(top_k, len(share)) - 1] for share in shares) >= RECALL:
            characters = mean(sum(place.end - place.start for place in one[:top_k]) for one in found)
            scores = _scores(questions, [one[:top_k] for one in found])
            return {"top_k": top_k, **scores, "characters": round(characters)}
    return None


def _scores(questions: Sequence[Question], found: Sequence[Sequence[Place]]) -> dict[str, float]:
    each = [scores_of(question, places) for question, places in zip(questions, found, strict=True)]
    recall, precision, iou = (round(mean(column), 4) for column in zip(*each, strict=True))
    return {"recall": recall, "precision": precision, "iou": iou}


def scores_of(question: Question, places: Sequence[Place]) -> tuple[float, float, float]:
    """Give recall, precision and IoU of the *places* retrieved for *question*, by characters."""
    wanted = len(_characters(question.references))
    common = round(_recalls(question, places)[-1] * wanted) if places else 0
    retrieved = sum(place.end - place.start for place in places)
    return common / wanted, common / max(1, retrieved), common / (retrieved + wanted - common)


def _recalls(question: Question, places: Sequence[Place]) -> list[float]:
    """Give the recall of the first one, two, … of *places*."""
    missing = _characters(question.references)
    whole, recalls = len(missing), []
    for place in places:
        if _touches(place, question):
            missing -= _characters([place])
        recalls.append(1 - len(missing) / whole)
    return recalls


def _characters(places: Sequence[Place]) -> set[tuple[str, int]]:
    return {(one.corpus, at) for one in places for at in range(one.start, one.end)}


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main(sys.argv[1:])
