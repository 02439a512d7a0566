"""What is said to PostgreSQL about indexes and their entries; ``{schema}`` and ``{table}`` are names of ours."""

from __future__ import annotations

from fargate.adapters.pgvector_connections import TIMEOUT_S
from fargate.adapters.pgvector_schema import TENANT

ADD_INDEX = """INSERT INTO {schema}.indexes (name, dimension, language) VALUES (:name, :dimension, :language)
ON CONFLICT DO NOTHING RETURNING id"""
REMOVE_INDEX = "DELETE FROM {schema}.indexes WHERE name = :name RETURNING id"
INDEX_NAMES = "SELECT name FROM {schema}.indexes WHERE starts_with(name, :prefix) ORDER BY name"
# What nobody waits for any more ends by itself: the database would not notice that the asker has gone.
_SET = f"set_config('{TENANT}', :tenant, true), set_config('statement_timeout', '{TIMEOUT_S}s', true)"
_DESCRIBED = f"id, dimension, language, revision, {_SET}"
READ_INDEX = f"SELECT {_DESCRIBED} FROM {{schema}}.indexes WHERE name = :name"  # noqa: S608  a constant of ours
WRITE_INDEX = f"UPDATE {{schema}}.indexes SET revision = revision + 1 WHERE name = :name RETURNING {_DESCRIBED}"  # noqa: S608
"""Also locks the row: the writers of an index take turns."""

PUT = """INSERT INTO {table} (key, tenant, vector, text, language, analysed_as, metadata, fields, terms, times, length)
SELECT decode(key, 'base64'), tenant, CAST(vector AS vector), decode(text, 'base64'), language, analysed_as,
    CAST(metadata AS json), CAST(fields AS jsonb), CAST(terms AS bigint[]), CAST(times AS int[]), length
FROM json_to_recordset(CAST(:rows AS json)) AS row (key text, tenant text, vector text, text text, language text,
    analysed_as text, metadata text, fields text, terms text, times text, length int)
ON CONFLICT (key) DO UPDATE SET vector = excluded.vector, text = excluded.text, language = excluded.language,
    analysed_as = excluded.analysed_as, metadata = excluded.metadata, fields = excluded.fields,
    terms = excluded.terms, times = excluded.times, length = excluded.length"""
GET = """SELECT key, CAST(vector AS text), text, metadata, language FROM {table} WHERE key IN (
    SELECT decode(asked, 'base64') FROM json_array_elements_text(CAST(:keys AS json)) AS asked
) ORDER BY key"""
DELETE = """DELETE FROM {table} WHERE key IN (
    SELECT decode(asked, 'base64') FROM json_array_elements_text(CAST(:keys AS json)) AS asked
)"""
LIST = "SELECT key FROM {table} WHERE key > CAST(:after AS bytea) ORDER BY key LIMIT :limit"
LANGUAGES = """WITH RECURSIVE found AS (
    (SELECT analysed_as FROM {table} ORDER BY analysed_as LIMIT 1)
    UNION ALL
    SELECT (SELECT min(analysed_as) FROM {table} WHERE analysed_as > found.analysed_as)
    FROM found WHERE found.analysed_as IS NOT NULL
) SELECT analysed_as FROM found WHERE analysed_as IS NOT NULL"""
"""Each once, from one language's first entry to the next one's, however many entries there are."""

SEARCH_WIDTH = (
    "SELECT set_config('hnsw.ef_search', :width, true), set_config('hnsw.iterative_scan', 'strict_order', true)"
)
