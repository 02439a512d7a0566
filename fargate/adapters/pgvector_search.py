"""Both legs of a search as one statement: nearest by cosine, and BM25 over what the asker may know of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg8000.native import Connection

from chalicelib.ports.vectors import Hit, VectorQuery
from fargate.adapters.lexical_analysis import QueryTerm, written
from fargate.adapters.pgvector_filters import Parameters, condition
from fargate.adapters.vector_checks import unpacked

_NEAR = """near AS (
    SELECT key, row_number() OVER (ORDER BY distance, key) AS rank FROM (
        SELECT key, vector <=> CAST({vector} AS vector) AS distance
        FROM {table} WHERE {within} AND {wanted} ORDER BY distance, key LIMIT {top_k}
    ) AS nearest
)"""
# As `vector_search` has it: k1 = 1.2 and b = 0.75 in Lucene's form, the forms of a word counted as one.
_LEXICAL = """known AS (SELECT count(*) AS entries, sum(length)::float8 / count(*) AS mean FROM {table} WHERE {within}),
words AS (SELECT * FROM jsonb_to_recordset(CAST({words} AS jsonb)) AS word (place int, times int, form text)),
held AS MATERIALIZED (
    SELECT key, length, terms, coalesce({wanted}, false) AS wanted
    FROM {table} WHERE terms @@ CAST({forms} AS tsquery) AND {within}
),
counted AS (
    SELECT held.key, length, wanted, place, times, max(cardinality(term.positions))::float8 AS often
    FROM held, unnest(held.terms) AS term (lexeme, positions, weights) JOIN words ON form = term.lexeme
    GROUP BY held.key, length, wanted, place, times
),
holding AS (SELECT place, count(*) AS entries FROM counted GROUP BY place),
scored AS (
    SELECT key, wanted, array_agg(place ORDER BY place) AS places, sum(
        times * ln(1 + (known.entries - holding.entries + 0.5) / (holding.entries + 0.5)) * often
        / (often + 1.2 * (1 - 0.75 + 0.75 * length / known.mean)) ORDER BY place
    ) AS score
    FROM counted JOIN holding USING (place) CROSS JOIN known GROUP BY key, wanted
),
lexical AS (
    SELECT key, row_number() OVER (ORDER BY score DESC, key) AS rank
    FROM scored WHERE wanted ORDER BY score DESC, key LIMIT {top_k}
)"""
_NO_NEAR = "near AS (SELECT CAST(NULL AS bytea) AS key, 0 AS rank WHERE false)"
_NO_LEXICAL = """lexical AS (SELECT CAST(NULL AS bytea) AS key, 0 AS rank WHERE false),
scored AS (SELECT CAST(NULL AS bytea) AS key, 0 AS score, CAST(NULL AS int[]) AS places WHERE false)"""
_FOUND = """WITH {near}, {lexical}
SELECT key, metadata, near.rank, {similarity}, lexical.rank, score, places
FROM (SELECT key FROM near UNION SELECT key FROM lexical) AS found JOIN {table} USING (key)
LEFT JOIN near USING (key) LEFT JOIN lexical USING (key) LEFT JOIN scored USING (key)"""


def search(connection: Connection, table: str, query: VectorQuery, terms: Sequence[QueryTerm] | None) -> list[Hit]:
    """Give the union of both legs' best; *terms* are those of the question, None without a text."""
    parameters = Parameters()
    vector = json.dumps(unpacked(query.vector).tolist()) if query.vector is not None else None
    parts = {
        "table": table,
        "within": condition(query.within, parameters),
        "wanted": condition(query.filter, parameters),
        "top_k": str(int(query.top_k)),
    }
    if vector is not None:
        parts["vector"] = parameters.add(vector)
    if terms:
        parts["words"], parts["forms"] = parameters.add(_words(terms)), parameters.add(_forms(terms))
    statement = _FOUND.format(
        near=_NEAR.format(**parts) if vector is not None else _NO_NEAR,
        lexical=_LEXICAL.format(**parts) if terms else _NO_LEXICAL,
        similarity="1 - (vector <=> CAST({vector} AS vector))".format(**parts) if vector is not None else "NULL",
        table=table,
    )
    return [_hit(row, terms) for row in connection.run(statement, **parameters)]


def _words(terms: Sequence[QueryTerm]) -> str:
    forms = [
        {"place": place, "times": term.count, "form": written(form)}
        for place, term in enumerate(terms)
        for form in term.terms
    ]
    return json.dumps(forms)


def _forms(terms: Sequence[QueryTerm]) -> str:
    return " | ".join(f"'{written(form)}'" for term in terms for form in term.terms)


def _hit(row: Sequence[Any], terms: Sequence[QueryTerm] | None) -> Hit:
    key, metadata, dense_rank, similarity, lexical_rank, score, places = row
    return Hit(
        key.decode(),
        metadata,
        dense_rank,
        None if similarity is None else min(1.0, max(-1.0, similarity)),
        lexical_rank,
        None if terms is None else float(score or 0),
        [terms[place].word for place in places] if terms and places else [],
    )
