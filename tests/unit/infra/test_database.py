"""Preparing the database of a deployment: on a real PostgreSQL, and by the Data API as far as it goes without one."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from pg8000.native import Connection

from chalicelib.errors import Misconfigured
from chalicelib.ports.vectors import VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.pgvector_vectors import PgVector
from infra import database
from infra.expanded_templates import named
from tests.fakes.postgres import Postgres

WRITER, READER = "writing_role", "ragstone_reader"
INDEX = VectorIndexName("acme.handbook.g1")
EAST = struct.pack("<2f", 1, 0)


@pytest.fixture
def administrator(postgres: Postgres) -> Iterator[Connection]:
    """Give what RDS gives: one who owns the database and makes roles, but is no superuser."""
    with postgres.administrator() as superuser:
        superuser.run("CREATE ROLE rds_iam")
        superuser.run("CREATE ROLE administrator LOGIN CREATEROLE")
        superuser.run("GRANT rds_iam TO administrator WITH ADMIN OPTION")
        superuser.run("CREATE DATABASE deployed OWNER administrator")
        with Connection("postgres", database="deployed", unix_sock=f"{postgres.folder}/.s.PGSQL.5432") as there:
            # There, those who are let make extensions without being superusers.
            there.run("CREATE EXTENSION vector")
            there.run("UPDATE pg_extension SET extowner = CAST('administrator' AS regrole) WHERE extname = 'vector'")
        with Connection(
            "administrator", database="deployed", unix_sock=f"{postgres.folder}/.s.PGSQL.5432"
        ) as connection:
            yield connection
        superuser.run("DROP DATABASE deployed WITH (FORCE)")
        superuser.run(f"DROP ROLE IF EXISTS {WRITER}, {READER}, administrator, rds_iam")


def test_one_service_writes_indexes_and_the_other_reads_them(postgres: Postgres, administrator: Connection) -> None:
    """Each signs in by its role as a user of its own, who neither passes by row-level security nor makes users."""

    def run(statement: str) -> Sequence[Sequence[Any]]:
        return list(administrator.run(statement) or ())

    for _ in range(2):  # as each deployment does
        database.prepare(run, database="deployed", writer=WRITER, reader=READER)
    made_member = f"roleid IN ('{WRITER}'::regrole, '{READER}'::regrole) AND (inherit_option OR set_option)"
    assert run(f"SELECT FROM pg_auth_members WHERE {made_member}") == []
    rights = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, pg_has_role(oid, 'rds_iam', 'MEMBER')"
    for user in (WRITER, READER):
        assert run(f"SELECT {rights} FROM pg_roles WHERE rolname = '{user}'") == [[False, False, False, False, True]]
    written, read = (f"postgresql://{user}@/deployed?host={postgres.folder}" for user in (WRITER, READER))
    with closing(PgVector(written)) as ingestion, closing(PgVector(read)) as retrieval:
        assert retrieval.indexes() == []
        ingestion.create(INDEX, VectorIndexSpec(2))
        ingestion.put(INDEX, [VectorRecord("a", EAST, "leave")])
        assert [hit.key for hit in retrieval.query(INDEX, VectorQuery(5, EAST, "leave"))] == ["a"]
        with pytest.raises(Misconfigured, match="42501"):
            retrieval.delete(INDEX, ["a"])
        with pytest.raises(Misconfigured, match="42501"):
            retrieval.drop(INDEX)


def test_statements_are_said_to_the_cluster_of_the_stack_as_its_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the stack gives out; the secret itself is not read."""
    session = boto3.session.Session("AKIAEXAMPLE", "secret", region_name="eu-central-1")
    stacks, data = Stubber(session.client("cloudformation")), Stubber(session.client("rds-data"))
    clients = {"cloudformation": stacks.client, "rds-data": data.client}
    monkeypatch.setattr(session, "client", clients.__getitem__)
    given = {"DatabaseArn": "arn:cluster:of:the:stack", "DatabaseSecretArn": "arn:secret:of:the:stack"}
    assert set(given) <= set(named("ragstone")["Outputs"])
    stacks.add_response("describe_stacks", _stack(given), {"StackName": "ragstone"})
    place = {"resourceArn": given["DatabaseArn"], "secretArn": given["DatabaseSecretArn"], "database": "ragstone"}
    data.add_response("execute_statement", {"records": [[{"stringValue": "ragstone"}]]}, place | {"sql": "SELECT 1"})
    with stacks, data:
        assert database.by_data_api(session, "ragstone")("SELECT 1") == [[{"stringValue": "ragstone"}]]


def test_a_stack_without_a_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that keeps its indexes in S3 Vectors."""
    session = boto3.session.Session("AKIAEXAMPLE", "secret", region_name="eu-central-1")
    with Stubber(session.client("cloudformation")) as stacks:
        monkeypatch.setattr(session, "client", {"cloudformation": stacks.client}.__getitem__)
        stacks.add_response("describe_stacks", _stack({"ApiUrl": "https://api.example"}), {"StackName": "ragstone"})
        with pytest.raises(SystemExit, match="in no database of its own"):
            database.by_data_api(session, "ragstone")


def _stack(outputs: dict[str, str]) -> dict[str, Any]:
    stack = {"StackName": "ragstone", "CreationTime": "2026-11-23T00:00:00Z", "StackStatus": "CREATE_COMPLETE"}
    return {"Stacks": [stack | {"Outputs": [{"OutputKey": key, "OutputValue": one} for key, one in outputs.items()]}]}
