"""DrawingML, which slides and sheets share: text bodies, charts with the values they were drawn from, SmartArt."""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element

from fargate.ingestion.parsers.building import one_line
from fargate.ingestion.parsers.ooxml import local

_MAX_LEVEL = 8
_CATEGORIES, _VALUES = ("cat", "xVal"), ("val", "yVal")
_NODES = frozenset(("node", "asst"))


def texts(root: _Element) -> Iterator[str]:
    """Give the text of each box in a drawing, copies for old programs left out."""
    for body in root.iter("{*}txBody"):
        if not any(local(above) == "Fallback" for above in body.iterancestors()):
            yield "\n".join(text(paragraph) for paragraph in body.iterfind("{*}p"))


def text(paragraph: _Element) -> str:
    """Give the text of one paragraph."""
    return "".join(_pieces(paragraph))


def level(paragraph: _Element) -> int:
    """Give how deep a paragraph is indented, from 0."""
    properties = paragraph.find("{*}pPr")
    stated = "0" if properties is None else str(properties.get("lvl", "0"))
    return min(int(stated), _MAX_LEVEL) if stated.isdecimal() else 0


def rows(table: _Element) -> list[list[str]]:
    """Give the cells of a table; one merged downwards is said again in each row it reaches."""
    found: list[list[str]] = []
    for line in table.iterfind("{*}tr"):
        cells: list[str] = []
        for cell in line.iterfind("{*}tc"):
            above = found[-1] if found else []
            goes_on = cell.get("vMerge") in ("1", "true") and len(cells) < len(above)
            cells.append(above[len(cells)] if goes_on else _cell(cell))
        found.append(cells)
    return found


def has_header(table: _Element) -> bool:
    """Say whether the author marked the first row as a header."""
    properties = table.find("{*}tblPr")
    return properties is not None and properties.get("firstRow") in ("1", "true")


def chart_title(root: _Element | None) -> str:
    """Give the title that stands above a chart; empty where there is none."""
    title = None if root is None else root.find("{*}chart/{*}title")
    if title is None:
        return ""
    written = " ".join(text(paragraph) for paragraph in title.iter("{*}p"))
    return one_line(written) or one_line(" ".join(str(value.text or "") for value in title.iter("{*}v")))


def chart_rows(root: _Element) -> list[list[str]]:
    """Give a chart's values as a table: a row for each category, a column for each series, their names first."""
    series = list(root.iterfind("{*}chart/{*}plotArea/*/{*}ser"))
    values = [_points(one, _VALUES) for one in series]
    categories: dict[int, str] = {}
    for one in series:
        categories = _points(one, _CATEGORIES) | categories
    places = sorted(set().union(*values)) if values else []
    if not places:
        return []
    names = ["", *(_series_name(one) for one in series)]
    return [names, *([categories.get(place, ""), *(one.get(place, "") for one in values)] for place in places)]


def smart_art(root: _Element) -> list[tuple[int, str]]:
    """Give the texts of a diagram as its outline has them, each with its depth from 0."""
    points = {str(point.get("modelId")): point for point in root.iterfind("{*}ptLst/{*}pt")}
    children: dict[str, list[tuple[int, str]]] = {}
    inner: set[str] = set()
    for link in root.iterfind("{*}cxnLst/{*}cxn"):
        if link.get("type", "parOf") == "parOf":
            order = str(link.get("srcOrd", "0"))
            child = str(link.get("destId"))
            children.setdefault(str(link.get("srcId")), []).append((int(order) if order.isdecimal() else 0, child))
            inner.add(child)
    waiting = [(0, identity) for identity in reversed(points) if identity not in inner]
    found: list[tuple[int, str]] = []
    while waiting:
        depth, identity = waiting.pop()
        point = points.pop(identity, None)
        if point is None:  # said already: the outline of a hostile file may go round in a ring
            continue
        said = _node_text(point)
        if said:
            found.append((min(depth, _MAX_LEVEL), said))
        below = depth + 1 if said else depth
        waiting += [(below, child) for _, child in sorted(children.get(identity, []), reverse=True)]
    return found


def _pieces(element: _Element) -> Iterator[str]:
    for child in element.iterchildren("{*}*"):
        name = local(child)
        if name == "t":
            yield str(child.text or "")
        elif name == "br":
            yield "\n"
        elif name not in ("pPr", "rPr", "endParaRPr", "Fallback"):
            yield from _pieces(child)


def _cell(cell: _Element) -> str:
    return " ".join(text(paragraph) for paragraph in cell.iterfind("{*}txBody/{*}p"))


def _points(series: _Element, names: tuple[str, ...]) -> dict[int, str]:
    """Give the cached values under one of *names* by their place; of categories on several levels the innermost."""
    owner = next((child for child in series.iterchildren("{*}*") if local(child) in names), None)
    if owner is None:
        return {}
    scope = next(owner.iter("{*}lvl"), owner)
    found: dict[int, str] = {}
    for point in scope.iter("{*}pt"):
        place = str(point.get("idx", ""))
        if place.isdecimal() and len(place) < 10:
            found[int(place)] = str(point.findtext("{*}v") or "")
    return found


def _series_name(series: _Element) -> str:
    owner = series.find("{*}tx")
    return "" if owner is None else " ".join(str(value.text or "") for value in owner.iter("{*}v"))


def _node_text(point: _Element) -> str:
    if point.get("type", "node") not in _NODES:
        return ""
    return one_line(" ".join(text(paragraph) for paragraph in point.iterfind("{*}t/{*}p")))
