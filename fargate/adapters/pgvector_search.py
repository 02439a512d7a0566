"""Both legs of a search as one statement: nearest by cosine, and BM25 over what the asker may know of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg8000.native import Connection

from chalicelib.domain.filters import Filter
from chalicelib.ports.vectors import Hit, VectorQuery
from fargate.adapters.lexical_analysis import QueryTerm
from fargate.adapters.pgvector_filters import Parameters, condition
from fargate.adapters.vector_checks import unpacked

MAX_WORDS = 400
"""Of a question; each is a column of a table that is made on the way, which may have 1,600."""

_NEAR = """near AS (
    SELECT key, row_number() OVER (ORDER BY distance, key) AS rank FROM (
        SELECT key, vector <=> CAST({vector} AS vector) AS distance
        FROM {table} WHERE {within} AND {wanted} ORDER BY distance, key LIMIT {top_k}
    ) AS nearest
)"""
# As `vector_search` has it: k1 = 1.2 and b = 0.75 in Lucene's form, the forms of a word counted as one.
_LEXICAL = """held AS MATERIALIZED (
    SELECT key, coalesce({wanted}, false) AS wanted, {often},
        CAST(1.2 AS float8) * (0.25 + 0.75 * length / {mean}) AS norm
    FROM {table} WHERE terms && CAST({forms} AS bigint[]) AND {within}
),
weighed AS MATERIALIZED (SELECT {weights} FROM held),
scored AS MATERIALIZED (
    SELECT key, wanted, {score} AS score, array_remove(ARRAY[{places}], NULL) AS places FROM held CROSS JOIN weighed
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
_KNOWN = "SELECT count(*), coalesce(sum(length), 0) FROM {table} WHERE {within}"


@dataclass(frozen=True, slots=True)
class Known:
    """How many *entries* the asker may know of, and the *length* of all together."""

    entries: int
    length: int


@dataclass(frozen=True, slots=True)
class Lexical:
    """The lexical leg: the *terms* of the question, and among how many entries they are looked for."""

    terms: Sequence[QueryTerm]
    among: Known


def known(connection: Connection, table: str, within: Filter | None) -> Known:
    """Count what passes *within*, which takes a look at every entry."""
    parameters = Parameters()
    statement = _KNOWN.format(table=table, within=condition(within, parameters))
    ((entries, length),) = connection.run(statement, **parameters)
    return Known(entries, int(length))


def search(connection: Connection, table: str, query: VectorQuery, words: Lexical | None) -> list[Hit]:
    """Give the union of both legs' best; without *words*, of the dense leg alone."""
    parameters = Parameters()
    parts = {
        "table": table,
        "within": condition(query.within, parameters),
        "wanted": condition(query.filter, parameters),
        "top_k": str(int(query.top_k)),
    }
    near, lexical, similarity = _NO_NEAR, _NO_LEXICAL, "NULL"
    if query.vector is not None:
        parts["vector"] = parameters.add(json.dumps(unpacked(query.vector).tolist()))
        near, similarity = _NEAR.format(**parts), f"1 - (vector <=> CAST({parts['vector']} AS vector))"
    if words and words.terms and words.among.length:
        lexical = _LEXICAL.format(**parts, **_bm25(words.terms[:MAX_WORDS], words.among))
    statement = _FOUND.format(near=near, lexical=lexical, similarity=similarity, table=table)
    terms = words.terms if words else None
    return [_hit(row, terms) for row in connection.run(statement, **parameters)]


def _bm25(terms: Sequence[QueryTerm], among: Known) -> dict[str, str]:
    """Give the parts of the statement that name the words: numbers all, which we made."""
    forms = [", ".join(f"times[array_position(terms, {form})]" for form in one.terms) for one in terms]
    weights = [
        f"{one.count} * ln(CAST(1 + ({among.entries} - count(w{place}) + 0.5) / (count(w{place}) + 0.5) AS float8))"
        for place, one in enumerate(terms)
    ]
    places = range(len(terms))
    return {
        "mean": f"CAST({among.length / among.entries!r} AS float8)",
        "often": ", ".join(f"CAST(greatest({forms[place]}) AS float8) AS w{place}" for place in places),
        "forms": "'{" + ",".join(str(form) for one in terms for form in one.terms) + "}'",
        "weights": ", ".join(f"{weights[place]} AS weight{place}" for place in places),
        "score": " + ".join(f"coalesce(weight{place} * w{place} / (w{place} + norm), 0)" for place in places),
        "places": ", ".join(f"CASE WHEN w{place} IS NOT NULL THEN {place} END" for place in places),
    }


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
