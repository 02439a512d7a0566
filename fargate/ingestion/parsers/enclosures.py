"""Files inside a document, gathered within bounds so that no letter with a thousand of them floods its reader."""

from __future__ import annotations

import re

from chalicelib.domain.documents import Attachment
from fargate.ingestion.parsers.building import clean, one_line

MAX_COUNT = 100
MAX_BYTES = 64 * 1024 * 1024
"""What the sandbox's answer can carry beside the text, a third being added by its encoding."""
LEFT_OUT = "attachments_left_out"
_LONGEST_NAME = 200
_NOT_IN_NAMES = re.compile(r"[/\\:*?\"<>|\t\n]+")


class Enclosures:
    """Collects attachments; those that are empty are passed over, those out of bounds are noted in `warnings`."""

    def __init__(self) -> None:
        self.found: list[Attachment] = []
        self.warnings: set[str] = set()
        self._room = MAX_BYTES

    def add(self, name: str, media_type: str | None, data: bytes) -> None:
        """Take one in, as far as there is room."""
        if len(self.found) >= MAX_COUNT or len(data) > self._room:
            self.warnings.add(LEFT_OUT)
        elif data:
            self._room -= len(data)
            self.found.append(Attachment(file_name(name) or f"attachment {len(self.found) + 1}", media_type, data))


def file_name(text: str) -> str:
    """Make a name that is safe in any file system, without folders; empty where nothing is left of it."""
    name = _NOT_IN_NAMES.sub("_", one_line(clean(text))).strip("._ ")
    stem, dot, ending = name.rpartition(".")
    return f"{stem[: _LONGEST_NAME - len(ending)]}{dot}{ending}" if dot and len(ending) < 10 else name[:_LONGEST_NAME]
