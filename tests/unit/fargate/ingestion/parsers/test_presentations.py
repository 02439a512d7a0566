"""Presentations: slide after slide, what stands on them and what the speaker says."""

from __future__ import annotations

import io

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import ooxml, registry
from fargate.ingestion.parsers.presentations import LEFT_OUT, MEDIA_TYPES
from fargate.ingestion.parsers.samples import office as office_samples
from fargate.ingestion.parsers.samples.office import shape
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind
_BOX = (Inches(1), Inches(1), Inches(3), Inches(2))


def parse(data: bytes, *, max_pages: int = 100) -> ParsedDocument:
    return registry.parse(Source(data, "a talk.pptx", MEDIA_TYPES[0], max_pages=max_pages))


def blocks(parsed: ParsedDocument) -> list[tuple[int | None, BlockKind, str]]:
    return [(block.page, block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def texts(parsed: ParsedDocument) -> list[str]:
    return [text for _, _, text in blocks(parsed)]


def rejected(data: bytes) -> str:
    with pytest.raises(DocumentRejected) as caught:
        parse(data, max_pages=2)
    assert caught.value.detail.endswith(".")
    return caught.value.reason


def test_a_presentation_as_powerpoint_writes_it() -> None:
    """Titles are headings, outlines lists; tables, charts, groups and notes stand where they stand."""
    made = pptx.Presentation()
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "Plan"
    body = first.placeholders[1].text_frame
    body.text = "One"
    inner = body.add_paragraph()
    inner.text, inner.level = "Two", 1
    first.notes_slide.notes_text_frame.text = "Smile."
    second = made.slides.add_slide(made.slide_layouts[5])
    second.shapes.title.text = "Figures"
    table = second.shapes.add_table(2, 2, *_BOX).table
    for place, text in enumerate(("Team", "Cost", "Search", "12")):
        table.cell(place // 2, place % 2).text = text
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(*_BOX).text_frame.text = "In a group."
    data = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["May", "June"]
    data.add_series("Sales", (1.5, 2))  # type: ignore[no-untyped-call]
    chart = second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *_BOX, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Growth"
    packed = io.BytesIO()
    made.save(packed)
    parsed = parse(packed.getvalue())
    assert blocks(parsed) == [
        (1, HEADING, "Plan"),
        (1, LIST, "- One\n  - Two"),
        (1, TEXT, "Notes: Smile."),
        (2, HEADING, "Figures"),
        (2, TABLE, "Team | Cost\nSearch | 12"),
        (2, TEXT, "In a group."),
        (2, TEXT, "Growth"),
        (2, TABLE, "| Sales\nMay | 1.5\nJune | 2"),
    ]
    table_block = parsed.blocks[4]
    assert table_block.header_end is not None
    assert parsed.text[table_block.start : table_block.header_end] == "Team | Cost"
    assert (parsed.title, parsed.pages) == ("Plan", 2)


def test_slides_stand_in_the_order_of_the_presentation() -> None:
    """Not in that of their files; and what is on a slide without a title is not under the one before."""
    data = office_samples.presentation(shape("First", role="title"), shape("lost"), shape("Third", role="ctrTitle"))
    parsed = parse(data)
    assert [(page, text) for page, _, text in blocks(parsed)] == [
        (1, "First"),
        (2, "Slide 2"),
        (2, "lost"),
        (3, "Third"),
    ]
    assert parsed.blocks[2].heading_path == ("Slide 2",)


def test_what_the_layout_repeats_is_left_out() -> None:
    """Dates, footers and slide numbers would be found in every question's way."""
    shapes = shape("T", role="title") + "".join(shape("x", role=role) for role in ("dt", "ftr", "sldNum"))
    assert texts(parse(office_samples.presentation(shapes))) == ["T"]


def test_the_copy_for_old_programs_is_not_read_twice() -> None:
    """Newer contents stand beside what older programs show in their place."""
    both = f"<AlternateContent><Choice>{shape('new')}</Choice><Fallback>{shape('old')}</Fallback></AlternateContent>"
    assert texts(parse(office_samples.presentation(both))) == ["Slide 1", "new"]


def test_smart_art_is_an_outline() -> None:
    """By the order and depth that its connections give, even where they go round in a ring."""

    def point(identity: str, kind: str = "node") -> str:
        text = f"<t><a:p><a:r><a:t>{identity}</a:t></a:r></a:p></t>" if kind == "node" else ""
        return f'<pt modelId="{identity}" type="{kind}">{text}</pt>'

    links = (("root", "b", 1), ("root", "a", 0), ("a", "c", 0), ("c", "a", 0))
    joined = "".join(f'<cxn srcId="{one}" destId="{other}" srcOrd="{order}"/>' for one, other, order in links)
    points = point("root", "doc") + "".join(point(name) for name in "bca")
    frame = '<graphicFrame><a:graphic><a:graphicData><relIds r:dm="d"/></a:graphicData></a:graphic></graphicFrame>'
    data = office_samples.presentation(
        frame,
        **{
            "ppt/slides/_rels/s0.xml.rels": office_samples.relations(d=("diagramData", "data.xml")),
            "ppt/slides/data.xml": f"<m xmlns='m' xmlns:a='a'><ptLst>{points}</ptLst><cxnLst>{joined}</cxnLst></m>",
        },
    )
    assert texts(parse(data)) == ["Slide 1", "- a\n  - c\n- b"]


def test_a_cell_merged_downwards_is_said_in_every_row() -> None:
    """Each row can be understood by itself."""

    def cell(text: str, merge: str = "") -> str:
        return f"<a:tc {merge}><txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></txBody></a:tc>"

    rows = (cell("Large", 'rowSpan="2"') + cell("a"), cell("", 'vMerge="1"') + cell("b"))
    table = "<a:tbl>" + "".join(f"<a:tr>{row}</a:tr>" for row in rows) + "</a:tbl>"
    frame = f"<graphicFrame><a:graphic><a:graphicData>{table}</a:graphicData></a:graphic></graphicFrame>"
    assert texts(parse(office_samples.presentation(frame))) == ["Slide 1", "Large | a\nLarge | b"]


def test_a_slide_that_is_missing_is_said_to_be() -> None:
    """The others are read all the same."""
    gone = office_samples.relations(s0=("slide", "slides/s0.xml"), s1=("slide", "slides/gone.xml"))
    data = office_samples.presentation(shape("here"), shape("gone"), **{"ppt/_rels/presentation.xml.rels": gone})
    assert parse(data).warnings == (LEFT_OUT,)


def test_macros_are_left_alone_and_said_to_be() -> None:
    """Nothing is run."""
    data = office_samples.presentation(shape("a"), **{"ppt/vbaProject.bin": b"macro"})
    assert parse(data).warnings == (ooxml.MACROS,)


def test_a_layout_on_another_computer_is_suspicious() -> None:
    """PowerPoint would fetch it when the file is opened."""
    remote = office_samples.relations(a=("slideLayout", "https://evil.example/x")).replace(
        "/></", ' TargetMode="External"/></'
    )
    data = office_samples.presentation(shape("a"), **{"ppt/slides/_rels/s0.xml.rels": remote})
    assert rejected(data) == "suspicious_archive"


def test_files_that_are_no_presentations_are_refused() -> None:
    """Each with its own reason."""
    whole = office_samples.pptx()
    assert rejected(whole[: len(whole) // 2]) == "unreadable"
    assert rejected(office_samples.package("ppt/none.xml", {})) == "unreadable"
    assert rejected(office_samples.presentation(shape("a", "b") + "<sp>")) == "unreadable"
    assert rejected(office_samples.presentation(shape(""))) == "empty"
    assert rejected(office_samples.presentation(*[shape("a")] * 3)) == "too_many_pages"
