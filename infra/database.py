"""
Prepare the database of the search indexes: python -m infra.database --stack NAME; `make deploy` does it.

It makes pgvector and the users that the services sign in as by their roles: one writes tables, the other may read them.
By the Data API, as the administrator, whose password nobody needs to see. Safe to repeat: it upgrades pgvector too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.exceptions import ClientError

from fargate.adapters import pgvector_schema

DATABASE = WRITER = "ragstone"
READER = pgvector_schema.reader("ragstone")
"""As in the outputs of infra/sam/database.yaml."""

Rows = Sequence[Sequence[Any]]


def main(arguments: Sequence[str]) -> None:
    """Prepare the database of a stack."""
    parser = argparse.ArgumentParser(description="Make pgvector and the services' users in a platform's database.")
    parser.add_argument("--stack", required=True, help="what the platform is called")
    parser.add_argument("--region", required=True)
    given = parser.parse_args(arguments)
    try:
        prepare(by_data_api(boto3.session.Session(region_name=given.region), given.stack))
    except ClientError as error:
        raise SystemExit(f"the database could not be prepared; mend this and say it again: {error}") from error
    print("the database has pgvector, and the users of the services")


def prepare(
    run: Callable[[str], Rows], *, database: str = DATABASE, writer: str = WRITER, reader: str = READER
) -> None:
    """
    Make what is missing; *run* says one statement as the administrator, who owns *database*.

    He is made no member of these users: who has `rds_iam`, even by way of another, gets in by no password any more.
    """
    run("CREATE EXTENSION IF NOT EXISTS vector")
    run("ALTER EXTENSION vector UPDATE")
    for user in (writer, reader):
        if not run(f"SELECT rolname FROM pg_roles WHERE rolname = '{user}'"):  # noqa: S608  names of ours
            run(f"CREATE ROLE {user} LOGIN")
        run(f"GRANT rds_iam TO {user}")
    run(f"GRANT CREATE ON DATABASE {database} TO {writer}")


def by_data_api(session: boto3.session.Session, stack: str) -> Callable[[str], Rows]:
    """Give what says a statement to the database of *stack*."""
    (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}
    if "DatabaseArn" not in outputs:
        raise SystemExit(f"the stack {stack} keeps its search indexes in no database of its own")
    client = session.client("rds-data")
    place = {"resourceArn": outputs["DatabaseArn"], "secretArn": outputs["DatabaseSecretArn"], "database": DATABASE}

    def run(statement: str) -> Rows:
        rows: Rows = client.execute_statement(**place, sql=statement).get("records", [])
        return rows

    return run


if __name__ == "__main__":
    main(sys.argv[1:])
