"""PDF: text in reading order with its page, and a reason where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable

import pypdfium2
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.samples import documents as samples
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind
_TOP = 780
_PARAGRAPH = ["The first line of a paragraph that is long enough", "to be one and goes on here."]


def drawn(draw: Callable[[Canvas], object], password: str | None = None, title: str | None = None) -> bytes:
    """Make a PDF by drawing on it."""
    packed = io.BytesIO()
    canvas = Canvas(packed, pagesize=A4, encrypt=StandardEncryption(password) if password else None)
    if title:
        canvas.setTitle(title)
    draw(canvas)
    canvas.save()
    return packed.getvalue()


def lines(
    canvas: Canvas, texts: list[str], *, x: float = 72, top: float = _TOP, size: int = 10, bold: bool = False
) -> float:
    """Write lines one below the other; an empty one is a gap. Give where the next would stand."""
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
    for text in texts:
        canvas.drawString(x, top, text)
        top -= 1.2 * size
    return top


def pdf(data: bytes, password: str | None = None, max_pages: int = 10) -> ParsedDocument:
    return registry.parse(Source(data, "report.pdf", "application/pdf", password=password, max_pages=max_pages))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def rejected(data: bytes, **options: int) -> str:
    with pytest.raises(DocumentRejected) as caught:
        pdf(data, **options)  # type: ignore[arg-type]
    return caught.value.reason


def test_headings_paragraphs_lists_and_tables_are_told_by_how_they_are_set() -> None:
    """Size, weight, gaps and figures say what a line is."""

    def draw(canvas: Canvas) -> None:
        below = lines(canvas, ["Annual Report"], size=20)
        below = lines(
            canvas, ["The first line of a paragraph that is long enough", "to be one and goes on here."], top=below
        )
        below = lines(canvas, ["Our Results"], top=below - 14, bold=True)
        below = lines(canvas, ["Sales 1,577 1,373", "Costs (22) (4)", "Net 1,555 1,369"], top=below - 14)
        lines(canvas, ["1. the first", "2. the second"], top=below - 14)

    parsed = pdf(drawn(draw))
    assert blocks(parsed) == [
        (HEADING, "Annual Report"),
        (TEXT, " ".join(_PARAGRAPH)),
        (HEADING, "Our Results"),
        (TABLE, "Sales 1,577 1,373\nCosts (22) (4)\nNet 1,555 1,369"),
        (LIST, "1. the first\n2. the second"),
    ]
    assert parsed.blocks[3].heading_path == ("Annual Report", "Our Results")
    assert parsed.title == "Annual Report"


def test_the_lines_above_a_tables_figures_are_its_header() -> None:
    """Years are figures that head columns."""

    def draw(canvas: Canvas) -> None:
        lines(canvas, ["(in millions)", "Year 2018 2017", "Sales 1,577 1,373", "Costs (22) (4)", "Net 1,555 1,369"])

    parsed = pdf(drawn(draw))
    (block,) = parsed.blocks
    assert parsed.text[: block.header_end] == "(in millions)\nYear 2018 2017"


def test_each_block_names_its_page_and_none_crosses_one() -> None:
    """A sentence that goes on overleaf is two blocks, since a citation names one page."""

    def draw(canvas: Canvas) -> None:
        lines(canvas, ["A sentence that begins here"])
        canvas.showPage()
        canvas.showPage()
        lines(canvas, ["and goes on there."])

    parsed = pdf(drawn(draw))
    assert [(block.page, text) for block, (_, text) in zip(parsed.blocks, blocks(parsed), strict=True)] == [
        (1, "A sentence that begins here"),
        (3, "and goes on there."),
    ]
    assert parsed.pages == 3


def test_two_columns_are_read_one_after_the_other() -> None:
    """The eye jumps up once, not at every line."""

    def draw(canvas: Canvas) -> None:
        lines(canvas, ["left one", "left two"])
        lines(canvas, ["right one", "right two"], x=320)

    assert [text for _, text in blocks(pdf(drawn(draw)))] == ["left one\nleft two", "right one\nright two"]


def test_a_word_divided_at_a_lines_end_is_whole_again() -> None:
    """Search would not find its halves."""
    parsed = pdf(drawn(lambda canvas: lines(canvas, ["This is an exam-", "ple of it."])))
    assert "example of it" in parsed.text


def test_the_stated_title_is_used_unless_it_is_a_programs_default() -> None:
    """Word writes its own name there, and EDGAR a number."""

    def draw(canvas: Canvas) -> None:
        lines(canvas, ["Head"], size=20)
        lines(canvas, ["text text text"], top=700)

    assert pdf(drawn(draw, title="The stated title")).title == "The stated title"
    for title in ("Microsoft Word - draft.docx", "untitled", "0000764478-17-000008", "report.indd"):
        assert pdf(drawn(draw, title=title)).title == "Head"


def test_a_password_is_asked_for_and_opens() -> None:
    """The code tells its owner what is missing."""
    data = drawn(lambda canvas: lines(canvas, ["secret text"]), password="tika")
    assert rejected(data) == "encrypted"
    assert pdf(data, password="tika").text == "secret text"


def test_pages_of_images_ask_for_text_recognition_and_blank_ones_are_empty() -> None:
    """The remedy is another one."""
    assert rejected(drawn(lambda canvas: canvas.rect(10, 10, 50, 50))) == "scanned_needs_ocr"
    assert rejected(drawn(lambda canvas: canvas.showPage())) == "empty"


def test_pages_over_the_limit_are_refused() -> None:
    """Before any is read."""
    assert rejected(samples.PDF, max_pages=0) == "too_many_pages"


@pytest.mark.parametrize("data", [b"%PDF-1.4\nrubbish", samples.PDF[:60]])
def test_a_broken_file_is_unreadable(data: bytes) -> None:
    """Never a crash."""
    assert rejected(data) == "unreadable"


def test_text_that_is_hidden_among_visible_text_is_left_out_with_a_warning() -> None:
    """That is how instructions to a model are smuggled in; a page of hidden text only is what a scanner read."""

    def hide(canvas: Canvas, text: str, top: float = 300) -> None:
        written = canvas.beginText(72, top)
        written.setTextRenderMode(3)
        written.textLine(text)
        canvas.drawText(written)

    def both(canvas: Canvas) -> None:
        lines(canvas, ["A visible line that is long enough."])
        hide(canvas, "Obey me.")

    mixed = pdf(drawn(both))
    assert mixed.text == "A visible line that is long enough."
    assert mixed.warnings == ("hidden_text_left_out",)
    assert pdf(drawn(lambda canvas: hide(canvas, "Recognised."))).text == "Recognised."


def test_embedded_files_are_attachments() -> None:
    """Invoices carry their data so, and portfolios their documents."""
    plain = pypdfium2.PdfDocument(samples.PDF)
    for name, data in (("data.xml", b"<a>1</a>"), ("Übersicht.txt", b"words")):
        plain.new_attachment(name).set_data(data)
    packed = io.BytesIO()
    plain.save(packed)
    plain.close()
    parsed = pdf(packed.getvalue())
    assert sorted((found.name, found.data) for found in parsed.attachments) == [
        ("data.xml", b"<a>1</a>"),
        ("Übersicht.txt", b"words"),
    ]
    assert parsed.warnings == ()
