"""Which files are read a second time, with text recognition."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.recognising import READER, RecognisingSandbox
from fargate.ingestion.sandbox import Sandbox, SandboxLimits
from tests.unit.fargate.ingestion.parsers.test_recognition import LINE, packed, picture

SCANNED = DocumentRejected("scanned_needs_ocr", "scan.pdf is made of images.")
TIMEOUT = DocumentRejected("timeout", "scan.pdf took too long.")


def document(text: str, *warnings: str) -> ParsedDocument:
    return ParsedDocument(text, (Block(BlockKind.TEXT, 0, len(text)),), "a", "application/pdf", warnings=warnings)


class Scripted:
    """Answers every file with the same."""

    def __init__(self, answer: ParsedDocument | DocumentRejected) -> None:
        self.answer, self.asked = answer, 0

    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """See `fargate.ingestion.tools.Sandbox`."""
        self.asked += 1
        if isinstance(self.answer, DocumentRejected):
            raise self.answer
        return self.answer


def read(plain: ParsedDocument | DocumentRejected, second: ParsedDocument | DocumentRejected) -> tuple[str, int]:
    recogniser = Scripted(second)
    sandbox = RecognisingSandbox(Scripted(plain), recogniser)
    parsed = asyncio.run(sandbox.parse(Path("scan.pdf"), name="scan.pdf", media_type=None, language="en"))
    return parsed.text, recogniser.asked


def test_only_pictures_are_recognised() -> None:
    """A file with text of its own is read once; one without, or with pages without, a second time."""
    assert read(document("typed"), document("recognised")) == ("typed", 0)
    assert read(SCANNED, document("recognised")) == ("recognised", 1)
    assert read(document("typed", "pages_without_text_layer"), document("both")) == ("both", 1)


def test_what_was_read_is_kept_when_recognition_fails() -> None:
    """Half a text is better than none; where there was none, the reason is told."""
    assert read(document("typed", "pages_without_text_layer"), TIMEOUT) == ("typed", 1)
    with pytest.raises(DocumentRejected, match="took too long"):
        read(SCANNED, TIMEOUT)


def test_other_refusals_stand() -> None:
    """An encrypted file is not tried again."""
    with pytest.raises(DocumentRejected, match="password"):
        read(DocumentRejected("encrypted", "It has a password."), document("recognised"))


def test_a_sealed_child_recognises_text(tmp_path: Path) -> None:
    """The models work where no file can be opened and no thread started."""
    path = tmp_path / "scan.png"
    path.write_bytes(packed(picture(LINE)))
    plain, second = Sandbox(SandboxLimits()), Sandbox(SandboxLimits(memory_bytes=2 << 30), reader=READER)
    try:
        parsed = asyncio.run(
            RecognisingSandbox(plain, second).parse(path, name="scan.png", media_type=None, language="en")
        )
    finally:
        plain.close()
        second.close()
    assert parsed.text == LINE
