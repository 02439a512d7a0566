"""Text in pictures: where it stands, which pages are recognised, and what is refused."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import recognition
from fargate.ingestion.parsers.source import Source

LINE = "Invoice number 2026-117"


def picture(*lines: str, size: tuple[int, int] = (800, 260)) -> Image.Image:
    """Draw *lines* below each other; a tab parts what stands side by side."""
    drawn = Image.new("RGB", size, "white")
    for place, line in enumerate(lines):
        for column, text in enumerate(line.split("\t")):
            ImageDraw.Draw(drawn).text((20 + 400 * column, 30 + 90 * place), text, fill="black", font_size=36)
    return drawn


def packed(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read(data: bytes, name: str = "scan.png") -> ParsedDocument:
    return recognition.parse(Source(data, name, recognition.sniff(data, name, None)))


def scanned(*pages: str | Image.Image) -> bytes:
    """Make a PDF of pages that are a picture, or have a line of text of their own."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(400, 300))
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(20, 200, page)
        else:
            canvas.drawImage(ImageReader(page), 0, 100, 400, 130)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_the_text_of_a_picture_is_read() -> None:
    """Line by line, and what stands side by side stands in one line."""
    parsed = read(packed(picture(LINE, "Total\t125 Euro")))
    assert parsed.text.split() == [*LINE.split(), "Total", "125", "Euro"]
    assert (parsed.pages, parsed.warnings) == (1, ("text_recognised",))


def test_every_page_of_a_fax_is_read() -> None:
    """A TIFF's frames are pages."""
    data = packed(picture("First"), "TIFF", save_all=True, append_images=[picture("Second")])
    parsed = read(data, "fax.tiff")
    assert [(parsed.text[block.start : block.end], block.page) for block in parsed.blocks] == [
        ("First", 1), ("Second", 2),
    ]  # fmt: skip


def test_pages_with_text_of_their_own_are_taken_as_they_are() -> None:
    """Only the page that is a picture is recognised."""
    parsed = read(scanned("Typed by hand: O0l1.", picture(LINE)), "mixed.pdf")
    assert [parsed.text[block.start : block.end] for block in parsed.blocks] == ["Typed by hand: O0l1.", LINE]
    assert parsed.warnings == ("text_recognised",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed(Image.new("RGB", (300, 300), "white")), "empty"),
        (scanned(Image.new("RGB", (300, 300), "gray")), "empty"),
        (packed(picture(LINE))[:200], "unreadable"),
        (packed(Image.new("1", (15_000, 15_000))), "too_large"),
    ],
    ids=["blank", "blank page", "cut off", "bomb"],
)
def test_a_picture_that_gives_no_text_says_why(data: bytes, reason: str) -> None:
    """Never an empty success."""
    with pytest.raises(DocumentRejected) as refused:
        read(data)
    assert refused.value.reason == reason
