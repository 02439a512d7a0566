"""E-books: chapters in the order of the package, under their headings."""

from __future__ import annotations

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.samples.mail import epub
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind
_KIND = "application/epub+zip"
_FONTS = "http://www.idpf.org/2008/embedding"
_CIPHER = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"


def read(data: bytes) -> ParsedDocument:
    return registry.parse(Source(data, "a book.epub", _KIND))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def rejected(data: bytes) -> str:
    with pytest.raises(DocumentRejected) as caught:
        read(data)
    return caught.value.reason


def package(*chapters: str, title: str = "The book") -> str:
    items = "".join(
        f'<item id="i{n}" href="{href}" media-type="application/xhtml+xml"/>' for n, href in enumerate(chapters)
    )
    order = "".join(f'<itemref idref="i{n}"/>' for n in range(len(chapters)))
    return (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title></metadata><manifest>{items}</manifest><spine>{order}</spine></package>"
    )


def page(title: str, body: str) -> str:
    return f'<?xml version="1.0"?><html xmlns="x"><head><title>{title}</title></head><body>{body}</body></html>'


def encryption(algorithm: str, *paths: str) -> str:
    entries = (
        f'<e:EncryptedData xmlns:e="e"><e:EncryptionMethod Algorithm="{algorithm}"/><e:CipherData>'
        f'<e:CipherReference URI="{path}"/></e:CipherData></e:EncryptedData>'
        for path in paths
    )
    return f'<encryption xmlns="c">{"".join(entries)}</encryption>'


def test_chapters_stand_in_the_order_of_the_spine_under_their_headings() -> None:
    """A chapter without a heading gets its title; the table of contents and the cover are not repeated."""
    members = {
        "a.opf": package("text/two.xhtml", "text/nav.xhtml", "cover.xhtml", "text/one%20more.xhtml"),
        "text/two.xhtml": page("Two", "<h1>Chapter two</h1><p>Second words.</p>"),
        "text/nav.xhtml": page("Contents", "<nav><ol><li>Chapter two</li></ol></nav>"),
        "cover.xhtml": page("Cover", "<img src='x.png'/>"),
        "text/one more.xhtml": page("One more", "<p>Last words.</p>"),
    }
    parsed = read(epub(**members))
    assert blocks(parsed) == [
        (HEADING, "Chapter two"),
        (TEXT, "Second words."),
        (HEADING, "One more"),
        (TEXT, "Last words."),
    ]
    assert parsed.title == "The book"
    assert parsed.blocks[-1].heading_path == ("One more",)


def test_notes_are_text_though_the_web_puts_them_aside() -> None:
    """A scholar's footnotes are worth finding."""
    assert [text for _, text in blocks(read(epub()))] == ["One", "Words.", "A note."]


def test_elements_that_close_themselves_do_not_swallow_the_text() -> None:
    """What XHTML writes, HTML would read as left open."""
    chapter = '<html><head><title/><script src="x"/></head><body><a id="q"/><p>Here.</p></body></html>'
    assert read(epub(**{"b.xhtml": chapter})).text == "Here."


def test_a_missing_chapter_is_told() -> None:
    """The others are read."""
    parsed = read(epub(**{"a.opf": package("b.xhtml", "gone.xhtml")}))
    assert parsed.warnings == ("chapters_left_out",)


def test_a_book_without_its_container_is_found_by_its_package() -> None:
    """Tools that pack books by hand forget it."""
    assert read(epub(**{"META-INF/container.xml": "damaged <"})).title == "A book"


def test_scrambled_fonts_are_no_encryption() -> None:
    """Anybody can read such a book."""
    members = {"META-INF/encryption.xml": encryption(_FONTS, "b.xhtml", "font.otf")}
    assert "Words." in read(epub(**members)).text


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"META-INF/encryption.xml": encryption(_CIPHER, "b.xhtml")}, "encrypted"),
        ({"a.opf": package("gone.xhtml")}, "unreadable"),
        ({"a.opf": ""}, "unreadable"),
        ({"b.xhtml": page("", "<img src='x'/>")}, "empty"),
        ({"../b.xhtml": "x"}, "suspicious_archive"),
    ],
)
def test_what_cannot_be_used_has_a_reason(members: dict[str, str], reason: str) -> None:
    """Protected, incomplete, without words, or built to do harm."""
    assert rejected(epub(**members)) == reason
