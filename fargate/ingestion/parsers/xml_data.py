"""XML of any vocabulary: text with the names of its elements beside it, sections by their titles, records as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lxml import etree
from lxml.etree import _Element

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import encodings, html, plain
from fargate.ingestion.parsers.building import DocumentBuilder, clean, one_line
from fargate.ingestion.parsers.records import Facts, Record, short_name, write_table
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/xml", "text/xml")

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_HTML_INSIDE = re.compile(r"</[a-z][a-z0-9]*>|<(?:br|p|hr|img)\b", re.IGNORECASE)
_TITLES = frozenset(("title", "heading", "head", "name", "headline"))
_PARAGRAPHS = frozenset(("p", "para", "simpara"))
_TECHNICAL = ("{http://www.w3.org/XML/1998/namespace}", "{http://www.w3.org/2001/XMLSchema-instance}")
_DEEPEST = 100


def parse(source: Source) -> ParsedDocument:
    """
    Read *source* without expanding entities or looking at any DTD.

    What is not well-formed is read as far as it can be; what is no XML at all is read as the text it is. A warning
    says so in both cases. Raises `DocumentRejected`: `unreadable` where nothing is left of it, `empty`.
    """
    text = clean(encodings.decode_declared(source.data, source.language))
    root, warnings = _tree(text)
    if root is None:
        return replace(plain.parse(source), warnings=("not_valid_xml",))
    if warnings and not _text(root):
        detail = f"{source.name} is damaged, or nested more deeply than any real document."
        raise DocumentRejected("unreadable", detail)
    builder = DocumentBuilder(source)
    page = html.read(text) if _local(root) == "html" else None
    if page is not None:
        html.write(builder, page)
    else:
        _Writer(builder).write(root)
    return builder.build(title=None if page is None else html.title_of(page), warnings=warnings)


def read(text: str, *, recover: bool = False) -> _Element | None:
    """
    Give the root of a decoded text, whatever encoding it declares; None where nothing is there to *recover*.

    Raises `XMLSyntaxError` where it is damaged and *recover* is not wanted.
    """
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )
    try:
        root: _Element | None = etree.fromstring(_DECLARATION.sub("", text).strip().encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        if recover:
            return None
        raise
    return root


def _tree(text: str) -> tuple[_Element | None, tuple[str, ...]]:
    try:
        return read(text), ()
    except etree.XMLSyntaxError:
        return read(text, recover=True), ("damaged_xml_repaired",)


class _Writer:
    """Goes through elements in order; what is short is gathered line by line, sections are opened by their titles."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._facts = Facts(builder)

    def write(self, root: _Element) -> None:
        if _is_leaf(root) or _is_mixed(root):
            self._builder.add(BlockKind.TEXT, _text(root))
        else:
            self._container(root, 1, 0)
        self._facts.end()

    def _container(self, element: _Element, level: int, depth: int) -> None:
        children = _children(element)
        titled = next((child for child in children[:3] if _is_title(child)), None)
        self._facts.end()
        if titled is not None:
            self._builder.heading(_text(titled), level)
        self._facts.say(short_name(_local(element)), _attributes(element))
        if self._table(element, children):
            return
        for child in children:
            if child is not titled:
                self._child(child, level + (titled is not None), depth + 1)
        self._facts.end()

    def _child(self, child: _Element, level: int, depth: int) -> None:
        name = short_name(_local(child))
        if depth > _DEEPEST or _is_mixed(child) or name.lower() in _PARAGRAPHS:
            self._facts.end()
            self._builder.add(BlockKind.TEXT, _text(child))
        elif not _is_leaf(child):
            self._container(child, level, depth)
        else:
            text, attributes = _text(child), _attributes(child)
            self._facts.say(f"{name} ({attributes})" if text and attributes else name, text or attributes)

    def _table(self, element: _Element, children: Sequence[_Element]) -> bool:
        if len({child.tag for child in children}) != 1:
            return False
        records = [record for child in children if (record := _record(child)) is not None]
        caption = short_name(_local(element))
        return len(records) == len(children) and write_table(self._builder, records, caption)


def _record(element: _Element) -> Record | None:
    """Give what an element holds by name, where each name stands for one short text."""
    found = {short_name(_local_name(str(name))): str(value) for name, value in _stated(element)}
    for child in _children(element):
        name = short_name(_local(child))
        if not _is_leaf(child) or name in found:
            return None
        found[name] = _text(child)
    own = (element.text or "").strip()
    return found if found and not own else None


def _children(element: _Element) -> list[_Element]:
    return [child for child in element if isinstance(child.tag, str)]


def _is_leaf(element: _Element) -> bool:
    return len(element) == 0 or not _children(element)


def _is_mixed(element: _Element) -> bool:
    if _is_leaf(element):
        return False
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def _is_title(element: _Element) -> bool:
    return _local(element).lower() in _TITLES and (_is_leaf(element) or _is_mixed(element)) and bool(_text(element))


def _text(element: _Element) -> str:
    text = ("".join(map(str, element.itertext())) if len(element) else element.text or "").strip()
    if "<" in text and _HTML_INSIDE.search(text):
        return "\n".join(html.fragment_lines(text))
    if "\n" not in text:
        return one_line(text)
    return "\n\n".join(line for line in map(one_line, text.split("\n\n")) if line)


def _attributes(element: _Element) -> str:
    return ", ".join(f"{_local_name(str(name))}={one_line(str(value))}" for name, value in _stated(element))


def _stated(element: _Element) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in element.items() if value and not name.startswith(_TECHNICAL))


def _local(element: _Element) -> str:
    return _local_name(str(element.tag))


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]
