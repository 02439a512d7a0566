"""A passage as a reranking model reads it."""

from __future__ import annotations

from chalicelib.domain.runs import Passage

MAX_CHARACTERS = 4_000
"""Of each passage; models read about a thousand tokens of it."""


def as_read(passage: Passage) -> str:
    """Give the passage below its title and headings, and the header of the table it goes on with."""
    above = " > ".join(dict.fromkeys((passage.name, *passage.heading_path)))
    return "\n".join(part for part in (above, passage.context, passage.text) if part)[:MAX_CHARACTERS]
