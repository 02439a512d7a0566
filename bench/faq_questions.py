"""
Questions with their answers out of HTML manuals, by nobody's labels: `python -m bench.faq_questions MANUAL… SETS`.

A *MANUAL* is a folder of HTML pages. A heading that is a question asks for what stands below it; there its number
replaces it, so that the words of the question stand in no answer but by the answer's own doing. Taken are the pages
whose name says FAQ, and others along their links, until there is enough to search in. Written to *SETS* is a folder for
each manual: `pages/*.md`, and `questions.jsonl` with the question, its page and the heading that replaced it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

from lxml.html import HtmlElement, document_fromstring

from bench import report

MAX_CHARACTERS = 150_000
"""Of one manual, but for its FAQ pages, which are all taken."""
_ENOUGH_CHARACTERS = 200
_CONTENT = ('//*[@role="main"]', "//body")
_SKIPPED = {"script", "style", "nav", "header", "footer", "form", "svg"}
_BESIDE = re.compile(r"sphinxsidebar|related|footer|toc\b|nosearch|headerlink")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {"p", "li", "dd", "dt", "td", "th", "pre", *_HEADINGS}
_SIGNS_AFTER_HEADINGS = "¶#¤» "


@dataclass(slots=True)
class Section:
    """A heading and its paragraphs."""

    level: int
    heading: str
    paragraphs: list[str] = field(default_factory=list)

    @property
    def characters(self) -> int:
        """How long it is."""
        return sum(map(len, self.paragraphs))


@dataclass(frozen=True, slots=True)
class Page:
    """The sections of a page, and the pages it links to."""

    sections: Sequence[Section]
    links: Sequence[str]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the page and heading where its answer stands."""

    text: str
    page: str
    heading: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a set for each manual, and print what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manuals", nargs="+", type=Path)
    parser.add_argument("sets", type=Path)
    options = parser.parse_args(arguments)
    for manual in options.manuals:
        pages = _pages(manual)
        questions = list(_questions(pages))
        _write(options.sets / manual.name, pages, questions)
        report.row("faq questions", manual=manual.name, pages=len(pages), questions=len(questions))


def _pages(manual: Path) -> dict[str, Page]:
    """Give the FAQs, and pages along their links, breadth first, until there is enough; in a fixed order."""
    names = sorted(path.relative_to(manual).as_posix() for path in manual.rglob("*.htm*"))
    faqs = [name for name in names if "faq" in name.casefold()]
    line = deque(faqs)
    pages: dict[str, Page] = {}
    characters = 0
    while line and (characters < MAX_CHARACTERS or line[0] in faqs):
        name = line.popleft()
        if name not in pages and name in names:
            page = pages[name] = _read(manual / name, name)
            characters += sum(section.characters for section in page.sections)
            line.extend(page.links)
    return pages


def _read(path: Path, name: str) -> Page:
    root = document_fromstring(path.read_bytes())
    content = next(found[0] for query in _CONTENT if (found := root.xpath(query)))
    sections = [Section(1, _text(root.find(".//title")) or name)]
    _gather(content, sections)
    targets = (unquote(urldefrag(urljoin(name, link.get("href", "")))[0]) for link in content.iter("a"))
    return Page(sections, list(dict.fromkeys(targets)))


def _gather(element: HtmlElement, sections: list[Section]) -> None:
    if not isinstance(element.tag, str) or element.tag in _SKIPPED or _BESIDE.search(element.get("class", "")):
        return
    if element.tag in _HEADINGS:
        if heading := _text(element):
            sections.append(Section(_HEADINGS[element.tag], heading[:200]))
    elif element.tag in _BLOCKS and not any(child.tag in _BLOCKS for child in element.iterdescendants()):
        if paragraph := _paragraph(element):
            sections[-1].paragraphs.append(paragraph)
    else:
        for child in element:
            _gather(child, sections)


def _paragraph(element: HtmlElement) -> str:
    return f"```\n{element.text_content().strip()}\n```" if element.tag == "pre" else _text(element)


def _questions(pages: Mapping[str, Page]) -> Iterator[Question]:
    """Give the questions, and put their number in their place."""
    for name, page in pages.items():
        for number, section in enumerate(page.sections, 1):
            if section.heading.endswith("?") and section.characters >= _ENOUGH_CHARACTERS:
                question, section.heading = section.heading, f"Question {number}"
                yield Question(re.sub(r"^[\d.]+\s+", "", question), _file_name(name), section.heading)


def _write(folder: Path, pages: Mapping[str, Page], questions: Sequence[Question]) -> None:
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    for name, page in pages.items():
        (folder / "pages" / f"{_file_name(name)}.md").write_text(_markdown(page), encoding="utf-8")
    rows = [json.dumps({"text": one.text, "page": one.page, "heading": one.heading}) for one in questions]
    (folder / "questions.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def _markdown(page: Page) -> str:
    parts = [part for one in page.sections for part in (f"{'#' * one.level} {one.heading}", *one.paragraphs)]
    return "\n\n".join(parts) + "\n"


def _text(element: HtmlElement | None) -> str:
    return "" if element is None else " ".join(element.text_content().split()).rstrip(_SIGNS_AFTER_HEADINGS)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name.rsplit(".", 1)[0])


if __name__ == "__main__":
    main()
