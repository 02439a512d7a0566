"""The tables: a list of the indexes, and one of entries for each, which row-level security keeps to its tenant."""

from __future__ import annotations

from pg8000.native import Connection, identifier

MAX_INDEXED_DIMENSION = 2_000
"""pgvector indexes no longer vectors; those of such an index are all looked at."""
TENANT = "ragstone.tenant"
"""What a transaction says it works for."""
_MAKING = 0x72616773  # any number, the same in all processes


def prepare(connection: Connection, schema: str) -> None:
    """Make what is missing; safe to repeat, from several processes at once."""
    name = identifier(schema)
    connection.run("SELECT pg_advisory_xact_lock(:making)", making=_MAKING)
    connection.run("CREATE EXTENSION IF NOT EXISTS vector")
    connection.run(f"CREATE SCHEMA IF NOT EXISTS {name}")
    connection.run(
        f"""CREATE TABLE IF NOT EXISTS {name}.indexes (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text COLLATE "C" NOT NULL UNIQUE,
            dimension int NOT NULL,
            language text NOT NULL,
            revision bigint NOT NULL DEFAULT 0
        )"""
    )
    _let_read(connection, schema)


def reader(schema: str) -> str:
    """Name the role that may read what is in *schema*, where somebody made it."""
    return f"{schema}_reader"


def _let_read(connection: Connection, schema: str) -> None:
    name, role = identifier(schema), identifier(reader(schema))
    missing = (
        "SELECT rolname FROM pg_roles WHERE rolname = :role AND NOT has_table_privilege(rolname, :table, 'SELECT')"
    )
    if connection.run(missing, role=reader(schema), table=f"{name}.indexes"):
        connection.run(f"GRANT USAGE ON SCHEMA {name} TO {role}")
        connection.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {role}")
        connection.run(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT SELECT ON TABLES TO {role}")


def entries(schema: str, number: int) -> str:
    """Name the table of the index *number*."""
    return f"{identifier(schema)}.entries_{int(number)}"


def create_entries(connection: Connection, table: str, dimension: int) -> None:
    """
    Make the table of an index.

    Keys and texts are bytes, since PostgreSQL's texts hold no NUL, and keys sort by them. *metadata* is what was put,
    to the letter; *fields* is what filters look at; *terms* is what our analysis made of the text, with its *times*.
    """
    statements = [
        f"""CREATE TABLE {table} (
            key bytea PRIMARY KEY,
            tenant text NOT NULL,
            vector vector({int(dimension)}) NOT NULL,
            text bytea NOT NULL,
            language text,
            analysed_as text COLLATE "C" NOT NULL,
            metadata json NOT NULL,
            fields jsonb NOT NULL,
            terms bigint[] NOT NULL,
            times int[] NOT NULL,
            length int NOT NULL
        )""",
        f"ALTER TABLE {table} ALTER terms SET STORAGE MAIN, ALTER times SET STORAGE MAIN",  # read for every match
        f"CREATE INDEX ON {table} USING gin (terms)",
        f"CREATE INDEX ON {table} USING gin ((fields -> '_acl') jsonb_path_ops)",
        f"CREATE INDEX ON {table} (analysed_as)",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own_tenant ON {table} USING (tenant = current_setting('{TENANT}', true))",
    ]
    if dimension <= MAX_INDEXED_DIMENSION:
        statements.insert(1, f"CREATE INDEX ON {table} USING hnsw (vector vector_cosine_ops)")
    for statement in statements:
        connection.run(statement)
