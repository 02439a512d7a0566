"""Markdown: headings, lists, tables and code as blocks; the text is what a reader sees, without the mark-up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from chalicelib.domain.documents import BlockKind, ParsedDocument
from fargate.ingestion.parsers import encodings, html
from fargate.ingestion.parsers.building import DocumentBuilder, clean
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("text/markdown",)

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_FRONT_MATTER = re.compile(r"\A---[^\S\n]*\n(?P<body>.*?)\n(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*(?P<quote>[\"']?)(?P<title>.+?)(?P=quote)\s*$", re.MULTILINE)
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)")
_LINE_EDGES = re.compile(r"[^\S\n]*\n[^\S\n]*")
_MEANT_OUTSIDE = re.compile(r"(?:https?://|mailto:)\S+\Z", re.IGNORECASE)
_LISTS = ("bullet_list_open", "ordered_list_open")


def parse(source: Source) -> ParsedDocument:
    """
    Read *source* as CommonMark with tables.

    Emphasis, escapes, anchors, comments and front matter are left out; a link keeps its address where that means
    something outside the document (http, https, mailto). Placeholders such as ``<region>`` are kept.
    """
    text = clean(encodings.decode(source.data, source.language))
    front = _FRONT_MATTER.match(text)
    titled = _FRONT_TITLE.search(front["body"]) if front else None
    builder = DocumentBuilder(source)
    write(builder, text[front.end() :] if front else text)
    return builder.build(title=titled["title"] if titled else None)


def write(builder: DocumentBuilder, text: str) -> None:
    """Write Markdown into a document, which may be of another format."""
    _write(builder, _MARKDOWN.parse(text))


def _write(builder: DocumentBuilder, tokens: Sequence[Token]) -> None:
    place = 0
    while place < len(tokens):
        token = tokens[place]
        end = _closing(tokens, place) if token.type in (*_LISTS, "table_open") else place
        if token.type == "heading_open":
            builder.heading(_inline(tokens[place + 1]), int(token.tag[1]))
            end = place + 1
        elif token.type in _LISTS:
            builder.add(BlockKind.LIST, "\n".join(_list_lines(tokens[place : end + 1])))
        elif token.type == "table_open":
            builder.table(_rows(tokens[place : end + 1]), header_rows=1)
        elif token.type in ("fence", "code_block"):
            builder.add(BlockKind.CODE, token.content)
        elif token.type == "html_block":
            html.add_fragment(builder, token.content)
        elif token.type == "inline":
            builder.add(BlockKind.TEXT, _inline(token))
        place = end + 1


def _closing(tokens: Sequence[Token], place: int) -> int:
    level = tokens[place].level
    return next(i for i in range(place + 1, len(tokens)) if tokens[i].level == level and tokens[i].nesting == -1)


def _list_lines(tokens: Sequence[Token]) -> Iterator[str]:
    """Write a list, however deep, with two spaces of indent a level and its markers kept."""
    counters: list[int | None] = []
    marker = ""
    for token in tokens:
        if token.type in _LISTS:
            counters.append(int(token.attrGet("start") or 1) if token.type == "ordered_list_open" else None)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            counters.pop()
        elif token.type == "list_item_open":
            number = counters[-1]
            marker = "- " if number is None else f"{number}. "
            counters[-1] = None if number is None else number + 1
        for line in _lines_of(token):
            yield "  " * (len(counters) - 1) + (marker or "  ") + line
            marker = ""


def _lines_of(token: Token) -> list[str]:
    if token.type == "inline":
        return [line.strip() for line in _inline(token).splitlines() if line.strip()]
    if token.type in ("fence", "code_block"):
        return token.content.rstrip().splitlines()
    if token.type == "html_block":
        return html.fragment_lines(token.content)
    return []


def _rows(tokens: Sequence[Token]) -> Iterator[list[str]]:
    cells: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(_inline(token))
        elif token.type == "tr_close":
            yield cells


def _inline(token: Token) -> str:
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "html_inline":
            parts.append(_html_inline(child.content))
        elif child.type == "link_open":
            links.append((str(child.attrGet("href") or ""), len(parts)))
        elif child.type == "link_close" and links:
            address, opened = links.pop()
            parts.append(_address_after("".join(parts[opened:]), address))
        else:
            parts.append(child.content)
    return _LINE_EDGES.sub("\n", "".join(parts))


def _address_after(text: str, address: str) -> str:
    if not text.strip() or not _MEANT_OUTSIDE.match(address) or address.removeprefix("mailto:") in text:
        return ""
    return f" ({address})"


def _html_inline(tag: str) -> str:
    name = _TAG.match(tag)
    if name and name[1].lower() == "br":
        return "\n"
    if name and name[1].lower() not in html.ELEMENTS:
        return tag  # not HTML, but what an author wrote between angle brackets: <region>, <your-bucket>
    return ""
