"""Word documents: the body in its order, and nothing that an archive can do to us."""

from __future__ import annotations

import io
import zipfile

import docx
import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.samples import documents as samples
from fargate.ingestion.parsers.sniffing import DOCX
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"


def parse(data: bytes) -> ParsedDocument:
    return registry.parse(Source(data, "a report.docx", DOCX))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def changed(body: str, **members: str) -> bytes:
    """Make a document of raw WordprocessingML and further members."""
    packed = io.BytesIO(samples.docx())
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    with zipfile.ZipFile(packed) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name != "word/document.xml"}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in kept.items():
            archive.writestr(name, data)
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>')
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def rejected(data: bytes) -> str:
    with pytest.raises(DocumentRejected) as caught:
        parse(data)
    return caught.value.reason


def test_a_document_as_word_writes_it() -> None:
    """Styles give headings and lists; tables stand where they stand; headers come first and footers last."""
    made = docx.Document()
    made.core_properties.title = "The title"
    made.sections[0].header.paragraphs[0].text = "Staff handbook"
    made.sections[0].footer.paragraphs[0].text = "Confidential"
    made.add_heading("Leave", 1)
    made.add_paragraph("Everybody has 30 days.")
    made.add_heading("Kinds", 2)
    made.add_paragraph("one", "List Bullet")
    made.add_paragraph("two", "List Number")
    table = made.add_table(2, 2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("a", "b", "1", "2"), strict=True):
        cell.text = text
    made.add_paragraph("The end.")
    packed = io.BytesIO()
    made.save(packed)
    parsed = parse(packed.getvalue())
    assert blocks(parsed) == [
        (TEXT, "Staff handbook"),
        (HEADING, "Leave"),
        (TEXT, "Everybody has 30 days."),
        (HEADING, "Kinds"),
        (LIST, "- one\n- two"),
        (TABLE, "a | b\n1 | 2"),
        (TEXT, "The end."),
        (TEXT, "Confidential"),
    ]
    assert parsed.blocks[5].heading_path == ("Leave", "Kinds")
    assert parsed.title == "The title"


def test_tracked_changes_fields_and_fallbacks_are_read_as_the_page_shows_them() -> None:
    """Inserted text counts, deleted text and field codes do not, and a text box is read once."""
    box = "<w:txbxContent>" + paragraph("in a box") + "</w:txbxContent>"
    parsed = parse(
        changed(
            "<w:p><w:r><w:t>a</w:t></w:r><w:ins><w:r><w:t>b</w:t></w:r></w:ins><w:del><w:r><w:delText>c</w:delText></w:r>"
            "</w:del><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:noBreakHyphen/><w:t>d</w:t><w:br/><w:t>e</w:t></w:r></w:p>"
            f"<w:sdt><w:sdtContent>{paragraph('controlled')}</w:sdtContent></w:sdt>"
            f"<w:p><w:r><Choice>{box}</Choice><Fallback>{box}</Fallback></w:r></w:p>".replace(
                "<Choice", '<m:Choice xmlns:m="urn:m"'
            )
            .replace("</Choice", "</m:Choice")
            .replace("<Fallback", '<m:Fallback xmlns:m="urn:m"')
            .replace("</Fallback", "</m:Fallback")
        )
    )
    assert [text for _, text in blocks(parsed)] == ["ab-d\ne", "controlled", "in a box"]


def test_a_cell_merged_downwards_is_said_in_every_row() -> None:
    """Each row can be understood by itself; a table inside a cell is part of the cell."""

    def cell(text: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr>{paragraph(text)}</w:tc>"

    begins, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    inner = "<w:tbl><w:tr><w:tc>" + paragraph("c") + "</w:tc></w:tr></w:tbl>"
    rows = [cell("Large", begins) + cell("a"), cell("", goes_on) + f"<w:tc>{paragraph('b')}{inner}</w:tc>"]
    parsed = parse(changed("<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"))
    assert blocks(parsed) == [(TABLE, "Large | a\nLarge | b c")]


@pytest.mark.parametrize(
    ("marks", "header"),
    [
        (["<w:tblHeader/>", "<w:tblHeader/>", ""], "row 0\nrow 1"),
        (["", "<w:tblHeader/>", ""], "row 0"),
        (['<w:tblHeader w:val="0"/>', "", ""], "row 0"),
    ],
)
def test_a_table_is_headed_by_its_repeated_rows_or_its_first(marks: list[str], header: str) -> None:
    """Word repeats a header on every page where it was told to; few tell it."""
    rows = [
        f"<w:tr><w:trPr>{mark}</w:trPr><w:tc>{paragraph(f'row {place}')}</w:tc></w:tr>"
        for place, mark in enumerate(marks)
    ]
    parsed = parse(changed(f"<w:tbl>{''.join(rows)}</w:tbl>"))
    assert parsed.text[: parsed.blocks[0].header_end] == header


def test_notes_stand_at_the_end() -> None:
    """Their separators do not."""
    notes = (
        '<w:footnotes xmlns:w="urn:w"><w:footnote w:type="separator"><w:p><w:r><w:t>-</w:t></w:r></w:p></w:footnote>'
        "<w:footnote><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    assert parse(changed(paragraph("Text."), **{"word/footnotes.xml": notes})).text == "Text.\n\nA note."


def test_styles_that_are_based_on_each_other_do_not_hang_the_reader() -> None:
    """A ring of styles is invalid, and easily made by hand."""
    styles = (
        '<w:styles xmlns:w="urn:w"><w:style w:styleId="a"><w:basedOn w:val="b"/></w:style>'
        '<w:style w:styleId="b"><w:basedOn w:val="a"/></w:style></w:styles>'
    )
    body = '<w:p><w:pPr><w:pStyle w:val="a"/></w:pPr><w:r><w:t>Text.</w:t></w:r></w:p>'
    assert parse(changed(body, **{"word/styles.xml": styles})).text == "Text."


@pytest.mark.parametrize(
    ("target", "remote"),
    [
        ("http://evil.example/t.dotm", True),
        ("\\\\server\\share\\t.dotm", True),
        ("file:///\\\\server\\share\\t.dotm", True),
        ("file://server/t.dotm", True),
        ("file:///C:\\Users\\a\\Normal.dotm", False),
        ("Normal.dotm", False),
    ],
)
def test_a_template_on_another_computer_is_suspicious(target: str, remote: bool) -> None:
    """Word would fetch it at opening; one on the author's own disk is ordinary."""
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r" Type="{_RELATION}" Target="{target}" TargetMode="External"/></Relationships>'
    )
    data = changed(paragraph("Text."), **{"word/_rels/settings.xml.rels": relations})
    assert (rejected(data) == "suspicious_archive") if remote else (parse(data).text == "Text.")


@pytest.mark.parametrize(
    "members",
    [
        {"../outside.xml": "x"},
        {"C:\\outside.xml": "x"},
        {"word/media/bomb.bin": "\x00" * (8 << 20)},
        {f"word/{number}.xml": "x" for number in range(10_001)},
    ],
)
def test_archives_that_unpack_too_far_are_suspicious(members: dict[str, str]) -> None:
    """Outside of themselves, to far more than they are, or into too many files."""
    assert rejected(changed(paragraph("Text."), **members)) == "suspicious_archive"


def test_xml_entities_are_suspicious() -> None:
    """A thousand laughs, or a look at /etc/passwd."""
    core = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a><title>&b;</title></a>'
    assert rejected(changed(paragraph("Text."), **{"docProps/core.xml": core})) == "suspicious_archive"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_file_is_unreadable(share: float) -> None:
    """Never a crash."""
    whole = samples.docx()
    assert rejected(whole[: int(share * len(whole))]) == "unreadable"


def test_a_document_without_text_is_empty() -> None:
    """There is nothing to answer from."""
    assert rejected(changed("<w:p/>")) == "empty"
