"""A sandbox beside the first: files whose text must be recognised are read a second time, by the models for that."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.tools import Sandbox

READER = "fargate.ingestion.parsers.recognition"
_NEEDED = "scanned_needs_ocr"
_WORTH_IT = "pages_without_text_layer"


def is_installed() -> bool:
    """Say whether text recognition (the extra `ocr`) is installed."""
    return find_spec("rapidocr") is not None


class RecognisingSandbox:
    """See `tools.Sandbox`. What *plain* finds to be pictures goes to *recognising*."""

    def __init__(self, plain: Sandbox, recognising: Sandbox) -> None:
        self._plain = plain
        self._recognising = recognising

    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """See `tools.Sandbox.parse`. A PDF of which only some pages can be recognised in time keeps those it has."""
        parsed: ParsedDocument | None = None
        try:
            parsed = await self._plain.parse(
                path, name=name, media_type=media_type, language=language, password=password
            )
        except DocumentRejected as rejected:
            if rejected.reason != _NEEDED:
                raise
        if parsed is not None and _WORTH_IT not in parsed.warnings:
            return parsed
        try:
            return await self._recognising.parse(
                path, name=name, media_type=media_type, language=language, password=password
            )
        except DocumentRejected:
            if parsed is None:
                raise
            return parsed
