"""What the command prints, and where: results to standard output, everything about them to standard error."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def plain(words: str) -> str:
    """Give *words* without what a terminal would obey: a document's text must not move the cursor or set colours."""
    return "".join(each for each in words if each.isprintable() or each in "\n\t")


def say(words: str, style: str = "") -> None:
    """Print a line to standard output, however long it is."""
    out.print(Text(plain(words), style), soft_wrap=True)


def note(words: str) -> None:
    """Print a line to standard error."""
    err.print(Text(plain(words), "dim"), soft_wrap=True)


def write(words: str) -> None:
    """Print a piece of a line at once."""
    typer.echo(plain(words), nl=False)


def complain(*sentences: str) -> None:
    """Say what went wrong."""
    first, *others = sentences
    err.print(Text(plain(f"Error: {first}"), "red"), soft_wrap=True)
    for sentence in others:
        err.print(Text(plain(f"  {sentence}")), soft_wrap=True)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table, or nothing when it has no rows."""
    if not rows:
        return
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    out.print(made)
