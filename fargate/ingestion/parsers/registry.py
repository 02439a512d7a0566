"""Which parser reads what: a new format is one module with `MEDIA_TYPES` and `parse`, and one word here."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from pydantic import BaseModel, ConfigDict

from chalicelib.contracts.components import ComponentKind, ComponentView
from chalicelib.domain.documents import ParsedDocument
from chalicelib.domain.indexes import Component
from chalicelib.errors import DocumentRejected, InvalidRequest
from fargate.ingestion.parsers import (
    books,
    delimited,
    docx,
    html,
    mail,
    markdown,
    notebooks,
    opendocument,
    outlook,
    pdf,
    plain,
    presentations,
    rich_text,
    sniffing,
    spreadsheets,
    structured_data,
    word97,
    xml_data,
)
from fargate.ingestion.parsers.samples import SAMPLES
from fargate.ingestion.parsers.source import Source

Parse = Callable[[Source], ParsedDocument]

_FAMILIES: tuple[ModuleType, ...] = (
    *(plain, markdown, html, pdf, docx, word97, spreadsheets, presentations, opendocument, rich_text),
    *(delimited, structured_data, xml_data, notebooks, books, mail, outlook),
)
_PARSERS: dict[str, Parse] = {kind: family.parse for family in _FAMILIES for kind in family.MEDIA_TYPES}
_TAKEN = (
    "plain text, Markdown, HTML, PDF, Word (.docx, .doc), Excel (.xlsx, .xls), PowerPoint (.pptx), "
    "OpenDocument (.odt, .ods, .odp), RTF, CSV, JSON, XML, Jupyter notebooks, EPUB and mail (.eml, .mbox, .msg)"
)
_DESCRIPTIONS = {
    "application/vnd.ms-powerpoint": "an old PowerPoint presentation (.ppt)",
    "application/zip": "a zip archive",
    "application/x-msdownload": "a Windows program",
    sniffing.BINARY: "binary data of an unknown kind",
}
# Often enough for the interpreter to have adapted its code, which each child would otherwise do for itself.
_REHEARSALS = 20
_ENCRYPTED_OFFICE = "application/vnd.ms-office.encrypted"


class AutoParameters(BaseModel):
    """The parser that looks at each file and picks the reader for it; it takes no parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def components() -> list[ComponentView]:
    """List the parsers a recipe may name."""
    description = f"Tells from its content what a file is, and reads {_TAKEN}."
    schema = AutoParameters.model_json_schema()
    return [
        ComponentView(kind=ComponentKind.PARSER, name="auto", description=description, parameters=schema, default=True)
    ]


def check(component: Component) -> None:
    """Raise `InvalidRequest` unless *component* is a parser there is, with parameters it takes."""
    if component.name != "auto":
        raise InvalidRequest(f"There is no parser {component.name!r}; use 'auto'.")
    if component.parameters:
        raise InvalidRequest(
            f"The parser 'auto' takes no parameters; leave out {', '.join(sorted(component.parameters))}."
        )


def sniff(data: bytes, name: str, declared: str | None) -> str:
    """
    Say what *data* is, when there is a parser for it. Otherwise raises `DocumentRejected`, naming what was found.
    """
    found = sniffing.media_type_of(data, name, declared)
    if found in _PARSERS:
        return found
    if found == _ENCRYPTED_OFFICE:
        raise DocumentRejected("encrypted", f"{name} is protected by a password. Upload it without one.")
    if found in sniffing.PICTURES:
        detail = f"{name} is a picture. Run text recognition (OCR) on it, or let the operator install the extra 'ocr'."
        raise DocumentRejected("scanned_needs_ocr", detail)
    described = _DESCRIPTIONS.get(found, f"a file of type {found}")
    raise DocumentRejected("unsupported_media_type", f"{name} is {described}, which is not read. Taken are {_TAKEN}.")


def parse(source: Source) -> ParsedDocument:
    """Read *source* with the parser for its media type, which `sniff` gave."""
    return _PARSERS[source.media_type](source)


def rehearse() -> None:
    """Read a harmless file of each family, so that everything a parser loads when first used is loaded."""
    for _ in range(_REHEARSALS):
        for name, data in SAMPLES.items():
            parse(Source(data, name, sniff(data, name, None)))
