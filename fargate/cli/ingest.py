"""`ragstone ingest`: files and folders into an index; what is there already is not sent again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chalicelib.errors import NotFound
from fargate.cli.connection import Key, Url, checked, connect
from fargate.cli.console import note, say, table
from fargate.cli.files import find

if TYPE_CHECKING:
    from chalicelib.client.api import Client
    from fargate.cli.sending import Outcome

Paths = Annotated[list[Path], typer.Argument(help="Files and folders.", exists=True)]
Index = Annotated[str, typer.Option("--index", help="Where they go.")]
Create = Annotated[bool, typer.Option("--create", help="Make the index first if there is none.")]
Acl = Annotated[list[str] | None, typer.Option("--acl", help="A group that may read them; all if not given.")]

_MAX_FAILURES_SHOWN = 50


def ingest(
    paths: Paths, index: Index, create: Create = False, acl: Acl = None, url: Url = None, key: Key = None
) -> None:
    """
    Make files and whole folders searchable.

    A file's name in the index is its path below the given folder. Run it again after an interruption or a change:
    what is there unchanged is skipped.
    """
    from fargate.cli.sending import Sending

    files = find(paths)
    with connect(url, key) as client:
        _ensure_index(client, index, create=create)
        outcome = Sending(client, index, acl).send(files)
    _report(outcome)
    if outcome.failures:
        raise typer.Exit(1)


def _ensure_index(client: Client, name: str, *, create: bool) -> None:
    from chalicelib.contracts.indexes import IndexCreate

    request = checked(IndexCreate, name=name)
    try:
        client.index(name)
    except NotFound as error:
        if not create:
            raise NotFound(f"There is no index {name!r}; add --create to make it.") from error
        client.create_index(request)
        note(f"Made the index {name}.")


def _report(outcome: Outcome) -> None:
    failed = len(outcome.failures)
    say(f"{outcome.ready} searchable, {outcome.unchanged} unchanged, {failed} failed.")
    rows = [[name, reason] for name, reason in outcome.failures[:_MAX_FAILURES_SHOWN]]
    table("\nFailed", ["file", "reason"], rows)
    if failed > len(rows):
        say(f"… and {failed - len(rows)} more.")
