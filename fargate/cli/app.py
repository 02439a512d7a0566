"""The commands, and how any of them fails: one sentence, its remedy, and an exit status."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from chalicelib.errors import ConfigurationError, RagError, Unauthenticated, Unavailable
from fargate.cli import ask, doctor, ingest, jobs, keys, refit, status, up
from fargate.cli.console import complain

FAILED = 1
MISUSED = 2


class Commands(TyperGroup):
    """Turns the platform's errors into exit statuses: 1 for what failed, 2 for how it was called or configured."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # typer's own context is click's
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            complain(error.detail)
            raise typer.Exit(MISUSED) from error
        except RagError as error:
            complain(error.detail, *_remedies(error))
            raise typer.Exit(FAILED) from error


app = typer.Typer(
    name="ragstone",
    help="Ask your documents, with proof. `ragstone up` starts the whole platform on this machine.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up")(up.up)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("refit")(refit.refit)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")


def _remedies(error: RagError) -> list[str]:
    match error:
        case Unavailable():
            return ["Is it running? `ragstone up` starts it here; `ragstone doctor` says what is missing."]
        case Unauthenticated():
            return ["Give a key with --key or RAGSTONE_API_KEY."]
        case _:
            places = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.extra.get("errors", [])]
            return places[1:]  # the first stands in the sentence itself
