"""
How well the claim check tells what a passage says from what it does not, corruption by corruption.

    python -m bench.claims [FOLDER] [--half dev|test]

Cases are made by a seeded program from the Markdown files of FOLDER (our sample documents: AWS documentation, CC BY
4.0): sentences as they are and lightly reworded, then the same with a number changed, a name swapped, a negation
flipped, another source cited, or a sentence invented. Documents are halved by the hash of their name: what was looked
at while the check was written is the half `dev`; figures are those of `test`. The rewordings are mechanical: they say
little of how a model rewords. No judge takes part.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import report
from chalicelib.domain.identifiers import ChunkId, DocumentId
from chalicelib.domain.runs import Citation, Passage, Verdict
from chalicelib.ports.models import Embedder
from fargate.generation.claim_facts import names
from fargate.generation.claim_likeness import settle
from fargate.generation.claims import check_claims
from fargate.generation.drafts import Draft, Statement
from fargate.generation.sentences import sentences

SAMPLE = Path(__file__).parent.parent / "fargate" / "standalone" / "sample" / "documents"
PASSAGE_CHARACTERS = 1_200
OTHERS = 4
"""Passages retrieved beside the one that a sentence is from."""
SUPPORTED_KINDS = ("untouched", "reworded")
CORRUPTIONS = ("number", "name", "negation", "wrong source", "invented")
REJECTED = (Verdict.UNSUPPORTED, Verdict.MISATTRIBUTED)


@dataclass(frozen=True, slots=True)
class Case:
    """A statement that cites *cited*, retrieved among *passages*; *kind* says whether and how it is wrong."""

    kind: str
    text: str
    cited: Passage
    passages: Sequence[Passage]


def halves(folder: Path, half: str) -> list[Path]:
    """Give the Markdown files of the *half*, by the hash of their name."""
    wanted = ("dev", "test").index(half)
    files = sorted(folder.rglob("*.md"))
    return [file for file in files if hashlib.sha256(file.name.encode()).digest()[0] % 2 == wanted]


def cases(files: Sequence[Path], *, each: int = 12, seed: int = report.SEED) -> list[Case]:
    """Make up to *each* base sentences of every file into cases of all kinds that they allow."""
    rng = random.Random(seed)
    by_file = {file: _passages(file, number) for number, file in enumerate(files)}
    all_passages = [passage for found in by_file.values() for passage in found]
    all_names = sorted({name for passage in all_passages for name in _shown_names(passage.text)})
    made: list[Case] = []
    for found in by_file.values():
        bases = [(passage, sentence) for passage in found for sentence in _bases(passage)]
        figured = [base for base in bases if _FIGURE.search(base[1])]
        chosen = rng.sample(bases, min(each, len(bases))) + rng.sample(figured, min(each // 2, len(figured)))
        for passage, sentence in _distinct(chosen):
            same = [one for one in found if one is not passage]
            far = [one for one in all_passages if one.document_id != passage.document_id]
            others = rng.sample(same, min(2, len(same))) + rng.sample(far, min(OTHERS - 2, len(far)))
            made += _made(sentence, passage, others, all_names, rng)
    return made


def _distinct(chosen: Sequence[tuple[Passage, str]]) -> list[tuple[Passage, str]]:
    return list({(passage.chunk_id, sentence): (passage, sentence) for passage, sentence in chosen}.values())


def _passages(file: Path, number: int) -> list[Passage]:
    text = file.read_text(encoding="utf-8")
    found: list[Passage] = []
    start = 0
    while start < len(text):
        end = text.find("\n\n", start + PASSAGE_CHARACTERS)
        end = len(text) if end < 0 else end
        found.append(_passage(file, number, len(found), text[start:end], start))
        start = end
    return found


def _passage(file: Path, number: int, place: int, text: str, start: int) -> Passage:
    return Passage(
        chunk_id=ChunkId(f"chk_{number}_{place:05d}"),
        document_id=DocumentId(f"doc_{number}"),
        external_id=None,
        name=file.stem,
        version=1,
        page=None,
        heading_path=(),
        text=text,
        start=start,
        end=start + len(text),
        score=0.5,
    )


def _bases(passage: Passage) -> list[str]:
    found = [one.shown for one in sentences(passage.text) if one.states and "|" not in one.shown]
    return [shown for shown in found if 8 <= len(shown.split()) <= 40 and shown.endswith(".")]


def _made(
    sentence: str, passage: Passage, others: Sequence[Passage], all_names: Sequence[str], rng: random.Random
) -> Iterator[Case]:
    passages = [passage, *others]
    rng.shuffle(passages)
    reworded = _reworded(sentence, rng)
    yield Case("untouched", sentence, passage, passages)
    if reworded != sentence:
        yield Case("reworded", reworded, passage, passages)
    base = rng.choice([sentence, reworded])
    for kind, text in (
        ("number", _other_number(base, rng)),
        ("name", _other_name(base, passage, all_names, rng)),
        ("negation", _flipped(base)),
        ("invented", _invented(passage, rng)),
    ):
        if text is not None:
            yield Case(kind, text, passage, passages)
    if others:
        yield Case("wrong source", base, rng.choice(others), passages)


_REWORDINGS = (
    (r"\bcan't\b", "cannot"),
    (r"\bdon't\b", "do not"),
    (r"\bdoesn't\b", "does not"),
    (r"\bisn't\b", "is not"),
    (r"\bYou can use\b", "It is possible to use"),
    (r"\byou can\b", "one can"),
    (r"\bYou can\b", "Users can"),
    (r"\bmust\b", "have to"),
    (r"\bcreate\b", "set up"),
    (r"\bchange\b", "modify"),
    (r"\bFor example, ", ""),
    (r"\balso\b ?", ""),
    (r"\bif you want to\b", "in order to"),
    (r"\bwhen you\b", "once you"),
    (r"\bprovides\b", "offers"),
    (r"\bdescribes\b", "explains"),
    (r"\bcontains\b", "holds"),
    (r"\brequires\b", "needs"),
    (r"\bspecify\b", "give"),
    (r"\bmultiple\b", "several"),
)
_CONDITION = re.compile(r"^(If|When) ([^,]{8,120}), (.{8,})\.$")


def _reworded(sentence: str, rng: random.Random) -> str:
    turned = _CONDITION.match(sentence)
    if turned:
        sentence = f"{turned[3][0].upper()}{turned[3][1:]} {turned[1].lower()} {turned[2]}."
    for pattern, other in _REWORDINGS:
        sentence = re.sub(pattern, other, sentence)
    if rng.random() < 0.3:
        sentence = f"According to the documentation, {sentence[0].lower()}{sentence[1:]}"
    return sentence


_FIGURE = re.compile(r"(?<![\w.,-])\d+(?![\w-]|[.,]\d)")


def _other_number(sentence: str, rng: random.Random) -> str | None:
    found = list(_FIGURE.finditer(sentence))
    if not found:
        return None
    one = rng.choice(found)
    value = int(one.group())
    other = rng.choice([value + 1, value * 2 + 1, value * 10 if value else 7, value + 3])
    return sentence[: one.start()] + str(other) + sentence[one.end() :]


def _shown_names(text: str) -> list[str]:
    lowered = set(names(text))
    return [word for word in re.findall(r"\b[A-Z][A-Za-z0-9]{2,}\b", text) if word.casefold() in lowered]


def _other_name(sentence: str, passage: Passage, all_names: Sequence[str], rng: random.Random) -> str | None:
    present = _shown_names(sentence)
    if not present:
        return None
    one = rng.choice(present)
    near = [name for name in _shown_names(passage.text) if name not in sentence]
    pool = near if near and rng.random() < 0.5 else [name for name in all_names if name not in sentence]
    return re.sub(rf"\b{re.escape(one)}\b", rng.choice(pool), sentence) if pool else None


_FLIPS = (
    (r"\b(can|do|does|is|are)(?:n't| not|not)\b", r"\1"),
    (r"\b(can|must|should|will|is|are)\b", r"\1 not"),
    (r"\bYou (\w+)", r"You do not \1"),
)


def _flipped(sentence: str) -> str | None:
    for pattern, other in _FLIPS:
        flipped, count = re.subn(pattern, other, sentence, count=1)
        if count:
            return flipped
    return None


_INVENTED = (
    "The {} sends a weekly summary to every account owner by mail.",
    "Support for the {} ends after a trial unless a contract was signed.",
    "The {} keeps a copy of each request for auditors.",
    "Only administrators in the headquarters may see the {}.",
    "The {} was first developed for a research project on weather.",
)


def _invented(passage: Passage, rng: random.Random) -> str | None:
    words = re.findall(r"\b[a-z]{5,}\b", passage.text)
    return rng.choice(_INVENTED).format(rng.choice(words)) if words else None


async def verdicts(made: Sequence[Case], embedder: Embedder | None) -> list[Verdict]:
    """Give what the check says of each case, as of an answer of one statement; without *embedder* by words alone."""
    found: list[Verdict] = []
    for case in made:
        passage = case.cited
        citation = Citation(
            1, passage.chunk_id, passage.document_id, passage.name, None, (), passage.text, passage.start, passage.end
        )
        draft = Draft(case.text, [citation], [Statement(case.text, (1,))])
        claims = check_claims(draft, case.passages)
        if embedder is not None:
            claims = await settle(claims, draft.citations, case.passages, embedder)
        found.append(claims[0].verdict)
    return found


@dataclass(frozen=True, slots=True)
class Figures:
    """Of *n* cases of a kind: the shares rejected, left unchecked; precision against as many untouched and reworded."""

    n: int
    rejected: float
    unchecked: float
    precision: float


def figures(made: Sequence[Case], found: Sequence[Verdict]) -> dict[str, Figures]:
    """Give the figures of each kind; the precision is that of rejecting, were wrong and right statements as many."""
    told: dict[str, list[Verdict]] = {kind: [] for kind in (*SUPPORTED_KINDS, *CORRUPTIONS)}
    for case, verdict in zip(made, found, strict=True):
        told[case.kind].append(verdict)
    alarms = _share([one for kind in SUPPORTED_KINDS for one in told[kind]], REJECTED)
    return {
        kind: Figures(
            len(given),
            rejected := _share(given, REJECTED),
            _share(given, (Verdict.UNCHECKED,)),
            rejected / (rejected + alarms) if rejected + alarms else 0.0,
        )
        for kind, given in told.items()
    }


def _share(found: Sequence[Verdict], of: Sequence[Verdict]) -> float:
    return sum(one in of for one in found) / len(found) if found else 0.0


def main() -> None:
    """Print the figures of a folder's documents."""
    from fargate.adapters.minilm import MINILM
    from fargate.adapters.openvino_models import EmbedderOptions, OpenVinoEmbedder

    given = [one for one in sys.argv[1:] if not one.startswith("--")]
    half = "dev" if "--half=dev" in sys.argv else "test"
    made = cases(halves(Path(given[0]) if given else SAMPLE, half))
    embedder = OpenVinoEmbedder(EmbedderOptions(streams=1, threads=1), MINILM)
    try:
        for name, one in (("words and facts", None), ("with likeness", embedder)):
            found = asyncio.run(verdicts(made, one))
            for kind, told in figures(made, found).items():
                print(f"{half:5} {name:16} {kind:13} {told}")
            if "--show" in sys.argv:
                for case, verdict in zip(made, found, strict=True):
                    if (verdict in REJECTED) != (case.kind in CORRUPTIONS):
                        print("   ", case.kind, verdict.value, "|", case.text)
    finally:
        embedder.close()


if __name__ == "__main__":
    main()
