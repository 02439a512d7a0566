"""`ragstone jobs`: list long work, end it, let it start anew."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from fargate.cli.connection import Key, Url, connect
from fargate.cli.console import say, table

if TYPE_CHECKING:
    from chalicelib.contracts.documents import JobView

app = typer.Typer(help="List, cancel and retry jobs.", no_args_is_help=True, rich_markup_mode=None)

COLUMNS = ["id", "kind", "status", "index", "progress", "error"]

JobId = Annotated[str, typer.Argument(help="The id that `jobs list` shows.")]
Parent = Annotated[str | None, typer.Option("--of", help="Show the documents of this batch instead.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Show at most so many.")]


@app.command("list")
def list_jobs(of: Parent = None, limit: Limit = 50, url: Url = None, key: Key = None) -> None:
    """List jobs, newest first, or the documents of a batch, in order of line."""
    with connect(url, key) as client:
        rows = [row(job) for job in islice(client.jobs(parent=of), limit)]
    table("", COLUMNS, rows)


@app.command("cancel")
def cancel(job_id: JobId, url: Url = None, key: Key = None) -> None:
    """Let an ingestion end, or a batch with all its documents; what was ready stays."""
    with connect(url, key) as client:
        job = client.cancel_job(job_id)
    say(f"{job.job_id} is {job.status}." if job.status == "cancelled" else f"{job.job_id} is being cancelled.")


@app.command("retry")
def retry(job_id: JobId, url: Url = None, key: Key = None) -> None:
    """Let an ingestion that failed or was cancelled start anew, or all of those in a batch."""
    with connect(url, key) as client:
        job = client.retry_job(job_id)
    say(f"{job.job_id} is {job.status} again.")


def row(job: JobView) -> list[str]:
    """Give what a table says of a job, in `COLUMNS`."""
    error = job.error.detail if job.error else ""
    return [job.job_id, job.kind, job.status, job.index or "", _progress(job), error]


def _progress(job: JobView) -> str:
    done = job.progress
    rate = f", {done.rate_per_s:.1f}/s" if done.rate_per_s is not None else ""
    rest = f", {done.eta_s:.0f} s left" if done.eta_s is not None else ""
    failed = f", {job.children.failed} failed" if job.children and job.children.failed else ""
    return f"{done.stage} {done.done}/{done.total}{failed}{rate}{rest}"
