"""Excel workbooks of all ages (XLSX, XLSM, XLSB, XLS): a heading for each sheet, and its tables below."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import binary_workbooks, ooxml, sheet_tables, workbooks
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.building import DocumentBuilder
from fargate.ingestion.parsers.compound import Compound
from fargate.ingestion.parsers.sheet_tables import Allowance, Sheet
from fargate.ingestion.parsers.source import Source

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS = "application/vnd.ms-excel"
MEDIA_TYPES = (XLSX, XLS)

HIDDEN = "hidden_sheets_left_out"
_BINARY_PART = "xl/workbook.bin"
_MACROS = "_VBA_PROJECT_CUR"


def parse(source: Source) -> ParsedDocument:
    """
    Read the sheets that a user of the workbook sees: hidden ones, which mostly serve its formulas, are left out.

    XLSX is read from its XML. calamine would do, but makes room for every cell that a sheet spans, and for two cells
    in opposite corners that is 500 GB. Formulas give the value they had when the file was saved; comments are left out.
    """
    return _parse_old(source) if source.media_type == XLS else _parse_package(source)


def _parse_package(source: Source) -> ParsedDocument:
    archive = Archive(source.data, source.name)
    ooxml.refuse_remote_parts(archive, source.name)
    hidden: list[str] = []
    allowance = Allowance(source.max_characters)
    if _BINARY_PART in archive.names:
        binary_workbooks.refuse_sprawling(archive, source.name)
        found = binary_workbooks.sheets(source, allowance, hidden)
    else:
        found = workbooks.sheets(archive, _main_part(archive, source.name), allowance, hidden)
    builder = _written(source, found, allowance, hidden)
    warnings = ooxml.warnings(archive) + [HIDDEN] * bool(hidden)
    return builder.build(title=ooxml.title(archive) or source.stem, warnings=warnings)


def _parse_old(source: Source) -> ParsedDocument:
    container = Compound(source.data, source.name)
    binary_workbooks.refuse_sprawling_old(container.read("Workbook") or container.read("Book"), source.name)
    hidden: list[str] = []
    allowance = Allowance(source.max_characters)
    builder = _written(source, binary_workbooks.sheets(source, allowance, hidden), allowance, hidden)
    warnings = [ooxml.MACROS] * container.has(_MACROS) + [HIDDEN] * bool(hidden)
    return builder.build(title=container.title() or source.stem, warnings=warnings)


def _written(source: Source, sheets: Iterable[Sheet], allowance: Allowance, hidden: list[str]) -> DocumentBuilder:
    builder = DocumentBuilder(source)
    for sheet in sheets:
        sheet_tables.write(builder, sheet, allowance)
    if hidden and builder.first_heading() is None:
        detail = f"No sheet that can be seen in {source.name} holds text. Show the hidden ones and save it again."
        raise DocumentRejected("empty", detail)
    return builder


def _main_part(archive: Archive, name: str) -> str:
    main = ooxml.main_part(archive, "xl/workbook.xml")
    if main is None:
        raise DocumentRejected("unreadable", f"{name} has no workbook inside. Open it in Excel and save it again.")
    return main
