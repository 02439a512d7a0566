"""Plain text: the text as it stands, its paragraphs as blocks."""

from __future__ import annotations

import re

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument
from fargate.ingestion.parsers import encodings
from fargate.ingestion.parsers.building import MAX_HEADING, clean, nothing_inside, too_much_text
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("text/plain",)

_PARAGRAPH = re.compile(r"[^\s][^\n]*(?:\n[^\S\n]*[^\s][^\n]*)*")
_LONGEST_TITLE = 100


def parse(source: Source) -> ParsedDocument:
    """Read *source* with every character kept but controls, and line ends made alike."""
    text = clean(encodings.decode(source.data, source.language)).rstrip()
    if len(text) > source.max_characters:
        raise too_much_text(source.max_characters)
    blocks = tuple(_blocks(text))
    if not blocks:
        raise nothing_inside(source.name)
    return ParsedDocument(text=text, blocks=blocks, title=_title(text, source), media_type=source.media_type)


def _blocks(text: str) -> list[Block]:
    found = []
    for match in _PARAGRAPH.finditer(text):
        end = match.start() + len(match[0].rstrip())
        found.append(Block(BlockKind.TEXT, match.start(), end))
    return found


def _title(text: str, source: Source) -> str:
    # A short first line that is no sentence, with a blank line below it, is how plain text writes a title.
    first, _, rest = text.strip().partition("\n")
    alone = not rest.partition("\n")[0].strip()
    if rest and alone and len(first) <= _LONGEST_TITLE and not first.rstrip().endswith((".", ",", ";", ":")):
        return first.strip()
    return source.stem[:MAX_HEADING]
