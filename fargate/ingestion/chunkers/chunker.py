"""What a chunker promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.documents import ParsedDocument, Span
from chalicelib.ports.models import TokenSpans


class Chunker(Protocol):
    """Decides where a document is cut. Pure: what it wants embedded it says, and is given."""

    def texts_to_embed(self, parsed: ParsedDocument, tokens: TokenSpans) -> Sequence[str]:  # noqa: ARG002 - a default
        """Give the texts whose vectors `cut` needs, none of them blank; most chunkers need none."""
        return ()

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, vectors: Sequence[bytes] = (), /) -> list[Span]:
        """
        Cut *parsed*, whose whole text the embedder's tokenizer cut into *tokens*.

        *vectors* are those of `texts_to_embed`, packed little-endian float32 of length 1. Spans are ordered by start
        and by end; none is blank or over its budget; every character of a block that is not white space is in one. A
        parent is within its own budget, and begins where the first of its spans does. The same input always gives the
        same spans.
        """
        ...
