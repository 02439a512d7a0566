"""
Train the local reranker: `python -m bench.train_reranker SETS [--cache FILE] [--out WEIGHTS]`.

*SETS* is what `bench.faq_questions` made of the manuals named in `MANUALS`. On Debian 12, for each of them:

    apt-get download PACKAGE && dpkg -x PACKAGE_*.deb unpacked/PACKAGE
    ln -s "$PWD/unpacked/PACKAGE/FOLDER" manuals/PACKAGE        (perl-doc: see below)
    python -m bench.faq_questions manuals/* SETS

perl-doc has no HTML: `pod2html --noindex --infile=FAQ.pod --outfile=manuals/perl-doc/FAQ.html` makes it of each
`perlfaq*.pod`.

Every manual is an index of its own, parsed, cut, embedded, searched and fused by the platform's own code. MiniLM was
itself trained on questions about software, so that here, and hardly anywhere else, its vectors find twice as much as
words do. They are therefore mixed with noise, `BLUR`, until over all questions both legs find the answer equally well.

The model is linear in the features of a passage, scaled among the passages of its question; its loss is the softmax
cross-entropy of the whole list (ListNet: Cao and others, "Learning to Rank: From Pairwise Approach to Listwise
Approach", ICML 2007) with an L2 penalty. Where a weight would be negative the feature is left out: each is good where
it is high, and what seems otherwise is the labels' doing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bench import report
from bench.candidates import Asked, File, Found, find
from bench.chunkers import KeptEmbeddings
from chalicelib.ports.models import Embedder
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.retrieval.rerankers.features import FEATURES, scaled_features
from fargate.retrieval.rerankers.local import DEPTH, WEIGHTS

L2 = 5.0
BLUR = 3.0
_NAMES = tuple(FEATURES)
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Manual:
    """A Debian package of the manual's text, where it stands in it, and under which licence."""

    package: str
    version: str
    folder: str
    licence: str


MANUALS = (
    Manual("apache2-doc", "2.4.71-1~deb12u1", "usr/share/doc/apache2-doc/manual/en", "Apache-2.0"),
    Manual("perl-doc", "5.36.0-7+deb12u4", "usr/share/perl/5.36.0/pod", "Artistic-1.0-Perl"),
    Manual("python-django-doc", "3:3.2.25-0+deb12u7", "usr/share/doc/python-django-doc/html", "BSD-3-Clause"),
    Manual("python-scrapy-doc", "2.8.0-2", "usr/share/doc/python-scrapy-doc/html", "BSD-3-Clause"),
    Manual("python-sklearn-doc", "1.2.1+dfsg-1", "usr/share/doc/python-sklearn-doc/html", "BSD-3-Clause"),
    Manual("python-sqlalchemy-doc", "1.4.46+ds1-1", "usr/share/doc/python-sqlalchemy-doc/html", "MIT"),
    Manual("python3.11-doc", "3.11.2-6+deb12u9", "usr/share/doc/python3.11/html", "PSF-2.0"),
)


Row = Mapping[str, str]
"""A line of `questions.jsonl`."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question: scaled features (a row a passage), and which passages answer, adding up to 1."""

    features: NDArray[np.float64]
    target: NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print how each manual is ranked by what was learned from the others, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path)
    parser.add_argument("--cache", type=Path, help="a file that keeps embeddings from run to run")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args(arguments)
    with closing(OpenVinoEmbedder()) as model:
        embedder = KeptEmbeddings(model, options.cache)
        found = {one.package: _found(options.sets / one.package, embedder) for one in MANUALS}
        embedder.keep()
    report.row("legs", blur=BLUR, **_legs([pair for pairs in found.values() for pair in pairs]))
    examples = {package: _examples(pairs) for package, pairs in found.items()}
    for package, own in examples.items():
        others = [example for other, some in examples.items() if other != package for example in some]
        report.row("held out", manual=package, **_reciprocal_ranks(fitted(others), own))
    everything = [example for some in examples.values() for example in some]
    weights = fitted(everything)
    options.out.write_text(json.dumps(_written(weights, examples), indent=2) + "\n", encoding="utf-8")
    report.row("trained", weights=weights, **_reciprocal_ranks(weights, everything))


def fitted(examples: Sequence[Example]) -> dict[str, float]:
    """Give the weight of each feature, none negative."""
    used = list(range(len(FEATURES)))
    weights = np.empty(0)
    while used:
        weights = _minimum([one.features[:, used] for one in examples], [one.target for one in examples])
        if (weights >= 0).all():
            break
        del used[int(weights.argmin())]
    found = dict(zip((_NAMES[place] for place in used), weights.round(4).tolist(), strict=False))
    return {name: found.get(name, 0.0) for name in FEATURES}


def _minimum(features: Sequence[NDArray[np.float64]], targets: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Give the least of a convex loss by Newton's method, with steps halved until they lead down."""
    weights = np.zeros(features[0].shape[1])
    for _ in range(_STEPS):
        gradient, curvature = L2 * weights, L2 * np.eye(len(weights))
        for rows, target in zip(features, targets, strict=True):
            chances = _softmax(rows @ weights)
            gradient -= rows.T @ (target - chances)
            mean = rows.T @ chances
            curvature += (rows.T * chances) @ rows - np.outer(mean, mean)
        step = np.linalg.solve(curvature, gradient)
        while _loss(weights - step, features, targets) > _loss(weights, features, targets):
            step /= 2
            if np.abs(step).max() < 1e-9:
                return weights
        weights = weights - step
        if np.abs(step).max() < 1e-7:
            break
    return weights


def _loss(
    weights: NDArray[np.float64], features: Sequence[NDArray[np.float64]], targets: Sequence[NDArray[np.float64]]
) -> float:
    lists = sum(
        -float(target @ np.log(_softmax(rows @ weights) + 1e-300))
        for rows, target in zip(features, targets, strict=True)
    )
    return lists + L2 / 2 * float(weights @ weights)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())


def _found(folder: Path, embedder: Embedder) -> list[tuple[Row, Found]]:
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    paths = sorted((folder / "pages").glob("*.md"))
    files = [File(path.stem, path.name, path.read_bytes(), "text/markdown") for path in paths]
    asked = [Asked(str(number), row["text"]) for number, row in enumerate(rows)]
    found = asyncio.run(find(files, asked, embedder, language="en", blur=BLUR))
    return list(zip(rows, found, strict=True))


def _examples(found: Sequence[tuple[Row, Found]]) -> list[Example]:
    """Give those questions whose answer is among the passages, and is the lesser part of them."""
    examples = [_example(one, row["page"], row["heading"]) for row, one in found]
    return [one for one in examples if 0 < np.count_nonzero(one.target) < len(one.target) / 2]


def _example(found: Found, page: str, heading: str) -> Example:
    answers = np.array(_answers(found, page, heading)[:DEPTH], np.float64)
    features = scaled_features(found.asked.text, "en", found.passages[:DEPTH])
    return Example(features, answers / max(1.0, float(answers.sum())))


def _answers(found: Found, page: str, heading: str) -> list[bool]:
    pairs = zip(found.keys, found.passages, strict=True)
    return [key == page and heading in passage.heading_path for key, passage in pairs]


def _legs(found: Sequence[tuple[Row, Found]]) -> dict[str, float]:
    """Give the mean reciprocal rank of the first answer in each leg, which `BLUR` makes about equal."""
    dense, lexical = [], []
    for row, one in found:
        answers = _answers(one, row["page"], row["heading"])
        reasons = [passage.reasons for passage, right in zip(one.passages, answers, strict=True) if right]
        dense.append(_best(reason.dense_rank for reason in reasons))
        lexical.append(_best(reason.lexical_rank for reason in reasons))
    return {"dense": round(fmean(dense), 4), "lexical": round(fmean(lexical), 4)}


def _best(ranks: Iterable[int | None]) -> float:
    return max((1 / rank for rank in ranks if rank), default=0.0)


def _reciprocal_ranks(weights: Mapping[str, float], examples: Sequence[Example]) -> dict[str, float]:
    """Give the mean reciprocal rank of the first answer, as the fusion ranked it and with *weights*."""
    vector = np.array([weights[name] for name in FEATURES])
    before = [1 / (1 + int(np.argmax(example.target > 0))) for example in examples]
    orders = [np.argsort(-(example.features @ vector), kind="stable") for example in examples]
    after = [
        1 / (1 + int(np.argmax(example.target[order] > 0))) for example, order in zip(examples, orders, strict=True)
    ]
    return {
        "questions": len(examples),
        "fused": round(float(np.mean(before)), 4),
        "reranked": round(float(np.mean(after)), 4),
    }


def _written(weights: Mapping[str, float], examples: Mapping[str, Sequence[Example]]) -> dict[str, object]:
    return {
        "weights": dict(weights),
        "depth": DEPTH,
        "trained_by": "python -m bench.train_reranker",
        "seed": report.SEED,
        "l2": L2,
        "blur": BLUR,
        "trained_on": [{**asdict(manual), "questions": len(examples[manual.package])} for manual in MANUALS],
    }


if __name__ == "__main__":
    main()
