"""HTML: the main content as blocks, without navigation, scripts and what is hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, defs, fragment_fromstring
from lxml.html import document_fromstring as read_document

from chalicelib.domain.documents import BlockKind, ParsedDocument
from fargate.ingestion.parsers import encodings
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("text/html", "application/xhtml+xml")

ELEMENTS = frozenset(defs.tags)
"""The names that HTML gives a meaning to."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("ul", "ol", "menu", "dl")
# fmt: off
_TEXTLESS = frozenset((
    "audio", "button", "canvas", "datalist", "dialog", "embed", "head", "iframe", "input", "link", "map",
    "math", "meta", "nav", "noscript", "object", "option", "script", "select", "style", "svg", "template",
    "textarea", "title", "video",
))
_ASIDE = frozenset(("aside", "footer"))
_ASIDE_ROLES = frozenset((
    "alert", "alertdialog", "banner", "complementary", "contentinfo", "dialog", "menu", "menubar", "navigation",
    "search", "toolbar",
))
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hr", "html", "li", "main", "menu", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "ul",
))
# fmt: on
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_MAIN_SHARE = 0.3
_MAX_ROWSPAN = 200


def parse(source: Source) -> ParsedDocument:
    """Read *source* as a browser would, and keep what a reader came for."""
    root = read(encodings.decode_declared(source.data, source.language))
    builder = DocumentBuilder(source)
    if root is not None:
        write(builder, root)
    return builder.build(title=None if root is None else title_of(root))


def read(markup: str) -> HtmlElement | None:
    """Give the tree of a whole page; None where it holds nothing but comments and white space."""
    data = markup.strip("\ufeff \t\r\n").encode("utf-8", "replace")
    try:
        return read_document(data, parser=HTMLParser(encoding="utf-8", remove_comments=True)) if data else None
    except etree.ParserError:
        return None


def write(builder: DocumentBuilder, page: HtmlElement) -> None:
    """Write the main content of a page into a document, which may be of another format."""
    _Walker(builder).walk(_main(page))


def title_of(page: HtmlElement) -> str | None:
    """Give what a page calls itself in its head."""
    titles = page.xpath("//head/title/text()")
    return str(titles[0]) if titles else None


def add_fragment(builder: DocumentBuilder, markup: str) -> None:
    """Write a piece of HTML into a document of another format."""
    _Walker(builder).walk(_fragment(markup))


def fragment_lines(markup: str) -> list[str]:
    """Give the lines of text of a piece of HTML."""
    return _flat(_fragment(markup)).splitlines()


def _fragment(markup: str) -> HtmlElement:
    return fragment_fromstring(markup, create_parent="div", parser=HTMLParser(remove_comments=True))


def _main(root: HtmlElement) -> HtmlElement:
    """Choose the element a page calls its main content, if it holds a fair share of the text."""
    body = root.find("body")
    body = root if body is None else body
    whole = len(one_line(_flat(body)))
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = body.findall(path)
        if len(found) == 1 and len(one_line(_flat(found[0]))) >= _MAIN_SHARE * whole:
            return found[0]
    return body


class _Walker:
    """Goes through elements in order; running text is gathered until a block begins or ends."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._running: list[str] = []

    def walk(self, root: HtmlElement) -> None:
        self._enter(root)
        self._flush()

    def _enter(self, element: HtmlElement) -> None:
        if _left_out(element):
            return
        tag = element.tag
        if tag in _HEADINGS:
            self._flush()
            self._builder.heading(_flat(element), int(tag[1]))
        elif tag in _LISTS:
            self._add(BlockKind.LIST, "\n".join(_list_lines(element, 0)))
        elif tag == "table" and not _is_layout(element):
            self._flush()
            self._builder.table(_rows(element), header_rows=_header_rows(element))
        elif tag == "pre":
            self._add(BlockKind.CODE, element.text_content())
        elif tag == "br":
            self._running.append("\n")
        else:
            self._inside(element)

    def _inside(self, element: HtmlElement) -> None:
        if element.tag in _BLOCKS:
            self._flush()
        self._say(element.text)
        for child in element:
            self._enter(child)
            self._say(child.tail)
        if element.tag in _BLOCKS:
            self._flush()

    def _say(self, text: str | None) -> None:
        if text:
            self._running.append(_SPACES.sub(" ", text))

    def _add(self, kind: BlockKind, text: str) -> None:
        self._flush()
        self._builder.add(kind, text)

    def _flush(self) -> None:
        text, self._running = "".join(self._running), []
        self._builder.add(BlockKind.TEXT, _tidy(text))


def _left_out(element: HtmlElement) -> bool:
    if not isinstance(element.tag, str) or element.tag in _TEXTLESS:  # comments and instructions have no name
        return True
    get = element.get
    if get("hidden") is not None or get("aria-hidden") == "true" or _HIDDEN_STYLE.search(get("style", "")):
        return True
    aside = element.tag in _ASIDE or get("role") in _ASIDE_ROLES
    return aside or (element.tag == "header" and element.find(".//h1") is None)


def _is_layout(table: HtmlElement) -> bool:
    return table.get("role") == "presentation" or next(table.iterdescendants("table", *_HEADINGS), None) is not None


def _flat(element: HtmlElement) -> str:
    """Give all text below *element*, a line for each block in it."""
    return _tidy("".join(_pieces(element)))


def _pieces(element: HtmlElement) -> Iterator[str]:
    if _left_out(element):
        return
    edge = "\n" if element.tag in _BLOCKS or element.tag == "br" else ""
    yield edge
    yield _SPACES.sub(" ", element.text or "")
    for child in element:
        yield from _pieces(child)
        yield _SPACES.sub(" ", child.tail or "")
    yield edge


def _tidy(text: str) -> str:
    lines = (one_line(line) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _list_lines(element: HtmlElement, depth: int) -> Iterator[str]:
    number = 0
    for item in element:
        if _left_out(item):
            continue
        if item.tag in _LISTS:  # a list right inside a list: invalid, and common
            yield from _list_lines(item, depth + 1)
            continue
        number += 1
        marker = {"ol": f"{number}. ", "dl": "" if item.tag == "dt" else "  "}.get(element.tag, "- ")
        for place, line in enumerate(_own_lines(item)):
            yield "  " * depth + (marker if place == 0 else "  ") + line
        for inner in _inner_lists(item):
            yield from _list_lines(inner, depth + 1)


def _own_lines(item: HtmlElement) -> list[str]:
    pieces = [_SPACES.sub(" ", item.text or "")]
    for child in item:
        if child.tag not in _LISTS:
            pieces.extend(_pieces(child))
        pieces.append(_SPACES.sub(" ", child.tail or ""))
    return _tidy("".join(pieces)).splitlines()


def _inner_lists(item: HtmlElement) -> list[HtmlElement]:
    return [child for child in item if child.tag in _LISTS and not _left_out(child)]


def _rows(table: HtmlElement) -> Iterator[list[str]]:
    """Give the caption, then each row; a cell that spans rows is said again in each of them."""
    caption = table.find("caption")
    if caption is not None:
        yield [_flat(caption)]
    spanning: dict[int, tuple[int, str]] = {}
    for line in _lines(table):
        yield _cells(line, spanning)


def _header_rows(table: HtmlElement) -> int:
    """Count the rows above the data: a caption, and the first rows that the page calls headings."""
    headers = takewhile(_is_header, _lines(table))
    return sum(1 for _ in headers) + (table.find("caption") is not None)


def _is_header(line: HtmlElement) -> bool:
    return line.getparent().tag == "thead" or all(cell.tag == "th" for cell in line.iterchildren("td", "th"))


def _lines(table: HtmlElement) -> Iterator[HtmlElement]:
    return (line for line in table.iter("tr") if not _left_out(line))


def _cells(line: HtmlElement, spanning: dict[int, tuple[int, str]]) -> list[str]:
    cells: list[str] = []

    def repeat() -> None:
        while len(cells) in spanning:
            left, text = spanning.pop(len(cells))
            if left > 1:
                spanning[len(cells)] = (left - 1, text)
            cells.append(text)

    for cell in line.iterchildren("td", "th"):
        repeat()
        text = one_line(_flat(cell))
        rows = _span(cell.get("rowspan"))
        if rows > 1:
            spanning[len(cells)] = (rows - 1, text)
        cells.append(text)
    repeat()
    return cells


def _span(value: str | None) -> int:
    return min(int(value), _MAX_ROWSPAN) if value and value.isdecimal() else 1
