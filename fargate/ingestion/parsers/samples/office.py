"""The smallest files of the office formats, for parsers to be tried on before they meet real ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from fargate.ingestion.parsers.samples.compound import compound

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
RTF = (
    rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset128 a;}}{\stylesheet{\s1\outlinelevel0 heading 1;}}"
    rb"{\info{\title a}}\pard\s1 a\par\pard{\listtext\tab}\ls1 b\par\pard {\f0\'83\'5c}\u9731?{\footnote d}\par"
    rb"\trowd\trhdr\clvmrg\cellx9\intbl c\cell\row}"
)


def packed(members: Mapping[str, str | bytes]) -> bytes:
    """Make a zip file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def package(main: str, members: Mapping[str, str | bytes]) -> bytes:
    """Make an Office Open XML package whose main part is *main*."""
    types = f'<Types xmlns="{_PACKAGE}/content-types"/>'
    root = {"[Content_Types].xml": types, "_rels/.rels": relations(m=("officeDocument", main))}
    return packed(root | dict(members))


def relations(**targets: tuple[str, str]) -> str:
    """Write which parts a part refers to: by id, the kind of each and its place."""
    found = "".join(
        f'<Relationship Id="{identity}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for identity, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'


def workbook(cells: str, **members: str | bytes) -> bytes:
    """Make a workbook of one sheet from the XML of its rows; style 1 is a date, style 2 a share."""
    listed = '<sheets><sheet name="Data" r:id="a"/></sheets>'
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="m" xmlns:r="{_OFFICE}">{listed}</workbook>',
        "xl/_rels/workbook.xml.rels": relations(
            a=("worksheet", "sheet.xml"), b=("styles", "styles.xml"), c=("sharedStrings", "strings.xml")
        ),
        "xl/styles.xml": '<s xmlns="m"><cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="9"/></cellXfs></s>',
        "xl/strings.xml": '<sst xmlns="m"><si><t>a</t></si><si><r><t>b</t></r><rPh><t>c</t></rPh></si></sst>',
        "xl/sheet.xml": f'<worksheet xmlns="m"><sheetData>{cells}</sheetData></worksheet>',
    }
    return package("xl/workbook.xml", parts | members)


def xlsx() -> bytes:
    """Make a workbook with a header, a number, a date and a share."""
    header = '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="inlineStr"><is><t>d</t></is></c></row>'
    return workbook(header + '<row><c><v>1.50</v></c><c s="1"><v>45000.5</v></c><c s="2"><v>0.5</v></c></row>')


def presentation(*slides: str, **members: str | bytes) -> bytes:
    """Make a presentation from the XML of the shapes on each slide."""
    listed = "".join(f'<sldId r:id="s{place}"/>' for place in range(len(slides)))
    parts = {
        "ppt/presentation.xml": f'<p xmlns="p" xmlns:r="{_OFFICE}"><sldIdLst>{listed}</sldIdLst></p>',
        "ppt/_rels/presentation.xml.rels": relations(
            **{f"s{place}": ("slide", f"slides/s{place}.xml") for place in range(len(slides))}
        ),
    }
    for place, shapes in enumerate(slides):
        names = f'xmlns="p" xmlns:r="{_OFFICE}" xmlns:a="{_DRAWING}/main" xmlns:c="{_DRAWING}/chart"'
        parts[f"ppt/slides/s{place}.xml"] = f"<sld {names}><cSld><spTree>{shapes}</spTree></cSld></sld>"
    return package("ppt/presentation.xml", parts | members)


def shape(*paragraphs: str, role: str | None = None) -> str:
    """Write a shape of a slide, in the *role* its layout has for it."""
    place = "" if role is None else f'<nvSpPr><nvPr><ph type="{role}"/></nvPr></nvSpPr>'
    body = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
    return f"<sp>{place}<txBody>{body}</txBody></sp>"


def pptx() -> bytes:
    """Make a presentation of one slide: a title, an outline, a table, a chart, and notes."""
    cell = "<a:tc><txBody><a:p><a:r><a:t>e</a:t></a:r></a:p></txBody></a:tc>"
    contents = f'<a:tbl><a:tblPr firstRow="1"/><a:tr>{cell}</a:tr><a:tr>{cell}</a:tr></a:tbl>', '<c:chart r:id="c"/>'
    frames = "".join(
        f"<graphicFrame><a:graphic><a:graphicData>{one}</a:graphicData></a:graphic></graphicFrame>" for one in contents
    )
    point = '<c:pt idx="0"><c:v>1</c:v></c:pt>'
    series = f"<c:ser><c:tx><c:v>f</c:v></c:tx><c:cat>{point}</c:cat><c:val>{point}</c:val></c:ser>"
    chart = f"<c:chart><c:plotArea><c:barChart>{series}</c:barChart></c:plotArea></c:chart>"
    notes = f"<cSld><spTree>{shape('g', role='body')}</spTree></cSld>"
    return presentation(
        shape("a", role="title") + shape("b", "c", role="body") + frames,
        **{
            "ppt/slides/_rels/s0.xml.rels": relations(c=("chart", "chart.xml"), n=("notesSlide", "notes.xml")),
            "ppt/slides/chart.xml": f'<c:chartSpace xmlns:c="c">{chart}</c:chartSpace>',
            "ppt/slides/notes.xml": f'<notes xmlns="p" xmlns:a="a">{notes}</notes>',
        },
    )


def opendocument(kind: str, body: str, styles: str = "", **members: str) -> bytes:
    """Make an OpenDocument file: *kind* is text, presentation, drawing or spreadsheet."""
    names = " ".join(f'xmlns:{name}="{name}"' for name in ("o", "t", "s", "d", "p", "x"))
    inside = f"<o:automatic-styles>{styles}</o:automatic-styles><o:body><o:{kind}>{body}</o:{kind}></o:body>"
    media_type = f"application/vnd.oasis.opendocument.{'graphics' if kind == 'drawing' else kind}"
    return packed({"mimetype": media_type, "content.xml": f"<o:document {names}>{inside}</o:document>"} | members)


def odt() -> bytes:
    """Make a text of a heading, a paragraph, a list and a table."""
    table = "<s:table><s:table-row><s:table-cell><t:p>d</t:p></s:table-cell></s:table-row></s:table>"
    items = "<t:list><t:list-item><t:p>c</t:p></t:list-item></t:list>"
    return opendocument("text", f'<t:h t:outline-level="1">a</t:h><t:p>b<t:s/></t:p>{items}{table}')


def odp() -> bytes:
    """Make a presentation of one slide with a title."""
    box = '<d:frame p:class="title"><d:text-box><t:p>a</t:p></d:text-box></d:frame>'
    return opendocument("presentation", f"<d:page>{box}</d:page>")


def ods() -> bytes:
    """Make a sheet with one number."""
    cell = '<s:table-cell o:value-type="float" o:value="1.50"><t:p>1,5</t:p></s:table-cell>'
    return opendocument("spreadsheet", f'<s:table s:name="Data"><s:table-row>{cell}</s:table-row></s:table>')


def xls() -> bytes:
    """Make an old workbook (BIFF8) of one sheet with a word and a number."""
    globals_size = 20 + 19 + 4
    sheet = _record(0x809, struct.pack("<4H2I", 0x600, 0x10, 0, 0, 0, 0))
    sheet += _record(0x204, struct.pack("<4HB", 0, 0, 0, 4, 0) + b"Name") + _record(
        0x203, struct.pack("<3Hd", 1, 0, 0, 7.0)
    )
    listed = struct.pack("<IHBB", globals_size, 0, 7, 0) + b"Figures"
    book = _record(0x809, struct.pack("<4H2I", 0x600, 5, 0, 0, 0, 0)) + _record(0x85, listed) + _record(0x0A, b"")
    return compound({"Workbook": book + sheet + _record(0x0A, b"")})


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<2H", kind, len(body)) + body
