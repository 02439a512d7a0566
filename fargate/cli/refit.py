"""`ragstone refit`: the weights of both legs of hybrid search, fitted to golden cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chalicelib.errors import InvalidRequest
from fargate.cli.connection import Key, Url, connect
from fargate.cli.console import err, note, say

if TYPE_CHECKING:
    from chalicelib.client.api import Client
    from fargate.retrieval.refitting import GoldenCase, Refit

CANDIDATES = 50
"""Of each leg, so that all that both bring fits into one answer of 100 passages."""

Cases = Annotated[
    Path,
    typer.Argument(
        help='JSON lines: {"question": …, "document": external id}, or "documents": [several].', exists=True
    ),
]
Index = Annotated[str, typer.Option("--index", help="The index the cases are about.")]


def refit(cases: Cases, index: Index, url: Url = None, key: Key = None) -> None:
    """Find the weights of dense and lexical search that golden cases ask for, if they better the default."""
    from rich.progress import track

    from fargate.retrieval.refitting import refit as fitted

    rows = [_row(line, number) for number, line in enumerate(cases.read_text(encoding="utf-8").splitlines(), 1) if line]
    with connect(url, key) as client:
        judged = [_judged(client, index, *row) for row in track(rows, "asking", console=err)]
    _show(fitted(judged))


def _row(line: str, number: int) -> tuple[str, frozenset[str]]:
    try:
        row = json.loads(line)
        documents = row["documents"] if "documents" in row else [row["document"]]
        return str(row["question"]), frozenset(map(str, documents))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f'Line {number} is no case; write {{"question": "…", "document": "…"}}.') from error


def _judged(client: Client, index: str, question: str, documents: frozenset[str]) -> GoldenCase:
    from chalicelib.contracts.asking import RetrieveRequest
    from chalicelib.ports.vectors import Hit
    from fargate.retrieval.refitting import GoldenCase

    tried = {"candidates": CANDIDATES, "reranker": {"name": "none"}, "transform": {"name": "none"}}
    request = {"question": question, "index": index, "strategy": "hybrid", "top_k": 2 * CANDIDATES, "explain": True}
    found = client.retrieve(RetrieveRequest.model_validate(request | {"retrieval": tried})).passages
    hits = [
        Hit(one.chunk_id, {}, why.dense_rank, why.dense_score, why.lexical_rank, why.lexical_score)
        for one in found
        if (why := one.explain) is not None
    ]
    return GoldenCase(hits, {one.chunk_id: one.external_id or one.document_id for one in found}, documents)


def _show(found: Refit) -> None:
    low, high = found.interval
    say(f"{found.cases} cases: nDCG@10 {found.default_ndcg:.3f} by default, {found.fitted_ndcg:.3f} fitted to others.")
    if found.better:
        say(f"The gain is sure (95 % interval {low:+.3f} to {high:+.3f}). Write into the release:")
    else:
        say(f"The gain is not sure (95 % interval {low:+.3f} to {high:+.3f}): keep the default.")
    say(json.dumps({"fusion": {"name": found.fusion.name, **found.fusion.parameters}}))
    note("POST /v1/retrieve with it as `retrieval` gives the id of a release that uses it.")
