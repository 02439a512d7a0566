"""How every parser writes its document down: block after block, a blank line between, offsets exact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from chalicelib.domain.documents import Attachment, Block, BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers.source import Source

MAX_HEADING = 200
_BETWEEN = "\n\n"
# What no text needs: controls but tab and line feed, non-characters, halves of surrogate pairs.
_NOISE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_BLANK_EDGES = re.compile(r"\A(?:[^\S\n]*\n)+")


class DocumentBuilder:
    """
    Collects blocks in reading order and keeps the heading path.

    A heading's own path ends with the heading itself, and so does the path of every block below it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._path: list[tuple[int, str]] = []

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """Open a section: headings of the same or a deeper *level* end here."""
        line = one_line(clean(text))
        if line:
            self._path = [step for step in self._path if step[0] < level] + [(level, line[:MAX_HEADING])]
            self.add(BlockKind.HEADING, line, page=page)

    def add(self, kind: BlockKind, text: str, *, page: int | None = None) -> None:
        """Append a block; a blank one is passed over. Raises `DocumentRejected` when the text grows out of bounds."""
        self._append(kind, text, page, header="")

    def table(self, rows: Iterable[Sequence[str]], *, header_rows: int = 0, page: int | None = None) -> None:
        """Append a table, a line for each row; its first *header_rows* rows say what stands in the columns."""
        lines = [row(cells) for cells in rows]
        header = "\n".join(line for line in lines[:header_rows] if line)
        self._append(BlockKind.TABLE, "\n".join(line for line in lines if line), page, header=header)

    def _append(self, kind: BlockKind, text: str, page: int | None, *, header: str) -> None:
        body = _BLANK_EDGES.sub("", clean(text)).rstrip()
        if kind is not BlockKind.CODE:
            body = body.lstrip()
        if not body.strip():
            return
        start = self._length + (len(_BETWEEN) if self._parts else 0)
        self._parts.append(body)
        self._length = start + len(body)
        if self._length > self._source.max_characters:
            raise too_much_text(self._source.max_characters)
        path = tuple(text for _, text in self._path)
        header_end = start + len(clean(header)) if header else None
        self._blocks.append(Block(kind, start, self._length, path, page, header_end))

    def is_empty(self) -> bool:
        """Say whether nothing was written so far."""
        return not self._blocks

    def first_heading(self) -> str | None:
        """Give the text of the first heading so far."""
        return next((block.heading_path[-1] for block in self._blocks if block.kind is BlockKind.HEADING), None)

    def build(
        self,
        *,
        title: str | None = None,
        pages: int | None = None,
        warnings: Iterable[str] = (),
        attachments: Iterable[Attachment] = (),
    ) -> ParsedDocument:
        """
        Give the document; without *title* it bears its first heading, or else its file's name.

        Raises `DocumentRejected` (`empty`) when nothing was written.
        """
        if not self._blocks:
            raise nothing_inside(self._source.name)
        named = one_line(clean(title or "")) or self.first_heading() or self._source.stem
        return ParsedDocument(
            text=_BETWEEN.join(self._parts),
            blocks=tuple(self._blocks),
            title=named[:MAX_HEADING],
            media_type=self._source.media_type,
            pages=pages,
            warnings=tuple(warnings),
            attachments=tuple(attachments),
        )


def clean(text: str) -> str:
    """Drop control and non-characters and make every line end with a line feed."""
    return _NOISE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"))


def one_line(text: str) -> str:
    """Fold all white space to single spaces."""
    return " ".join(text.split())


def row(cells: Sequence[str]) -> str:
    """Write a table's row as one line; a row of empty cells is an empty line."""
    folded = [one_line(cell) for cell in cells]
    return " | ".join(folded).strip() if any(folded) else ""


def too_much_text(limit: int) -> DocumentRejected:
    """Say that a document holds more text than is taken."""
    return DocumentRejected(
        "too_large", f"The document holds more than {limit:,} characters of text. Split it into smaller documents."
    )


def nothing_inside(name: str) -> DocumentRejected:
    """Say that a document holds no text."""
    return DocumentRejected("empty", f"{name} holds no text.")
