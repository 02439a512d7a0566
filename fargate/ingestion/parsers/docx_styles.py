"""What the styles of a Word document say about a paragraph: is it a heading or a list item, and how deep."""

from __future__ import annotations

import re

from lxml.etree import _Element

_HEADING_NAME = re.compile(r"heading ([1-9])\Z", re.IGNORECASE)
_TITLE_LEVEL = 0
_BODY_LEVEL = 9
"""The outline level that Word gives to what is no heading."""
_MAX_DEPTH = 8


class Styles:
    """The paragraph styles by id; what a style does not say, the one it is based on says."""

    def __init__(self, root: _Element | None) -> None:
        found = () if root is None else root.iterfind("{*}style")
        self._styles = {_value(style, "styleId"): style for style in found}

    def heading_level(self, paragraph: _Element) -> int | None:
        """Give 1 for the topmost headings and 0 for the title; None for what is no heading."""
        level = _number(paragraph.find("{*}pPr/{*}outlineLvl"))
        if level is not None:
            return level + 1 if level < _BODY_LEVEL else None
        for style in self._chain(paragraph):
            named = _HEADING_NAME.match(_name(style))
            if named:
                return int(named[1])
            if _name(style).lower() == "title":
                return _TITLE_LEVEL
            level = _number(style.find("{*}pPr/{*}outlineLvl"))
            if level is not None:
                return level + 1 if level < _BODY_LEVEL else None
        return None

    def list_depth(self, paragraph: _Element) -> int | None:
        """Give 0 for an item of a list, 1 for one of a list inside it, …; None for what is no item."""
        for owner in (paragraph, *self._chain(paragraph)):
            numbering = owner.find("{*}pPr/{*}numPr")
            if numbering is not None:
                if _number(numbering.find("{*}numId")) == 0:  # numbering switched off
                    return None
                return min(_number(numbering.find("{*}ilvl")) or 0, _MAX_DEPTH)
        return None

    def _chain(self, paragraph: _Element) -> list[_Element]:
        chain: list[_Element] = []
        named = paragraph.find("{*}pPr/{*}pStyle")
        while named is not None:
            style = self._styles.get(_value(named, "val"))
            if style is None or style in chain:  # a ring of styles is invalid, but must not hang us
                break
            chain.append(style)
            named = style.find("{*}basedOn")
        return chain


def _name(style: _Element) -> str:
    name = style.find("{*}name")
    return "" if name is None else _value(name, "val")


def _number(element: _Element | None) -> int | None:
    value = "" if element is None else _value(element, "val")
    return int(value) if value.isdecimal() else None


def _value(element: _Element, name: str) -> str:
    namespace, brace, _ = str(element.tag).rpartition("}")
    return str(element.get(f"{namespace}{brace}{name}", ""))
