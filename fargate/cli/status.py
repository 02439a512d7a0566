"""`ragstone status`: what the platform holds and what it is doing."""

from __future__ import annotations

from itertools import islice

from fargate.cli.connection import Key, Url, connect
from fargate.cli.console import say, table
from fargate.cli.jobs import COLUMNS, row

_SHOWN = 10


def status(url: Url = None, key: Key = None) -> None:
    """Show health, indexes and jobs."""
    from chalicelib.domain.jobs import JobStatus

    with connect(url, key) as client:
        say(f"Ragstone {client.health().version} is up; you are {client.me().subject}.")
        indexes = [
            [index.name, str(index.generation), index.status, index.recipe.embedder.name, index.description]
            for index in client.indexes()
        ]
        jobs = [
            row(job)
            for wanted in (JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.FAILED)
            for job in islice(client.jobs(status=wanted), _SHOWN)
        ]
    table("\nIndexes", ["name", "generation", "status", "embedder", "description"], indexes)
    if not indexes:
        say("There is no index yet; `ragstone ingest PATH --index NAME --create` makes one.")
    table("\nJobs", COLUMNS, jobs)
    if not jobs:
        say("\nNo job is running, waiting or failed.")
