"""`ragstone ask`: a question, its answer as it comes, and the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chalicelib.errors import from_problem
from fargate.cli.connection import Key, Url, checked, connect
from fargate.cli.console import note, say, write

if TYPE_CHECKING:
    from chalicelib.contracts.asking import Answer, CitationView

Question = Annotated[str, typer.Argument(help="What you want to know.")]
Index = Annotated[str | None, typer.Option("--index", help="Ask this index; the live release's own if not given.")]
Release = Annotated[str | None, typer.Option("--release", help="Answer with this release or alias.")]


def ask(question: Question, index: Index = None, release: Release = None, url: Url = None, key: Key = None) -> None:
    """Answer a question from the documents, with citations."""
    from chalicelib.contracts.asking import DoneEvent, ErrorEvent, QueryRequest, TokenEvent

    asked = {name: value for name, value in {"index": index, "release": release}.items() if value is not None}
    request = checked(QueryRequest, question=question, **asked)
    streamed = False
    with connect(url, key) as client:
        for event in client.query_stream(request):
            if isinstance(event, TokenEvent):
                write(event.text)
                streamed = True
            elif isinstance(event, ErrorEvent):
                write("\n" if streamed else "")
                raise from_problem(event.problem, int(event.problem.get("status", 500)))
            elif isinstance(event, DoneEvent):
                say("" if streamed else event.answer.answer)
                _show_evidence(event.answer)


def _show_evidence(answer: Answer) -> None:
    for citation in answer.citations:
        say(f"\n[{citation.marker}] {_place(citation)}", "bold")
        say(f"    “{' '.join(citation.quote.split())}”")
    if answer.abstained:
        note("The documents do not support an answer.")
    note(f"\nrun {answer.run_id} · release {answer.release} · {answer.model}")


def _place(citation: CitationView) -> str:
    page = [f"page {citation.page}"] if citation.page is not None else []
    heading = [" › ".join(citation.heading_path)] if citation.heading_path else []
    return ", ".join([citation.name, *page, *heading])
