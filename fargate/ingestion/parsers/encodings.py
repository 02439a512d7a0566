"""From bytes to characters: byte order marks, UTF-8, then an informed guess."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import CharsetMatches, from_bytes

# UTF-32's mark begins with UTF-16's, so the longer ones come first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 * 1024
_NEARLY_AS_CLEAN = 0.02
_DEFAULT = "cp1252"
# The 8-bit and double-byte code pages that files of a language were written in before Unicode.
_OF_LANGUAGE = {
    "ar": "cp1256",
    "cs": "cp1250",
    "el": "cp1253",
    "fa": "cp1256",
    "he": "cp1255",
    "hu": "cp1250",
    "ja": "cp932",
    "ko": "cp949",
    "pl": "cp1250",
    "ru": "cp1251",
    "th": "cp874",
    "tr": "cp1254",
    "uk": "cp1251",
    "vi": "cp1258",
    "zh": "gb18030",
}
_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
_DECLARED_XML = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_.:-]{2,40})""")
# Code pages of one byte a character: bytes that are sound UTF-8 never were written in one of them.
_TAKES_ANYTHING = re.compile(r"ascii|latin|iso8859|cp(?:12|4|8)|koi8|mac")
# Browsers read these labels as their Windows supersets (WHATWG Encoding Standard, section 4.2).
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}


def decode(data: bytes, language: str = "en") -> str:
    """
    Turn *data* into text: by its byte order mark, else as UTF-8, else as UTF-16 or UTF-32 by where its zeros stand,
    else by statistics, where the code page of *language* wins what is nearly a tie. Never fails: the last resort
    replaces what it cannot read.
    """
    encoding = _marked(data)
    if encoding:
        return data.decode(encoding, "replace").removeprefix("\ufeff")
    encoding = zeros_say(data)
    if encoding:
        return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_guess(data, _OF_LANGUAGE.get(language, _DEFAULT)), "replace")


def decode_declared(data: bytes, language: str = "en") -> str:
    """As `decode`, but an encoding that the first lines of HTML or XML declare goes before the guesses."""
    declared = _DECLARED_XML.search(data[:1024]) or _DECLARED.search(data[:4096])
    # A declaration that can be read byte by byte is not written in what has two or four bytes a character.
    if declared is None or declared[1].lower().startswith((b"utf-16", b"utf-32")):
        return decode(data, language)
    return decode_labelled(data, declared[1].decode("ascii"), language)


def decode_labelled(data: bytes, label: str, language: str = "en") -> str:
    """As `decode`, but the encoding that *label* names goes before the guesses, where the bytes do not belie it."""
    if _marked(data) or zeros_say(data):
        return decode(data, language)
    try:
        name = codecs.lookup(label).name
        if _TAKES_ANYTHING.match(name) and not data.isascii() and _is_utf8(data):
            return data.decode("utf-8")
        return data.decode(_SUPERSETS.get(name, name))
    except (LookupError, ValueError):  # a label that is unknown, or not true
        return decode(data, language)


def is_wide(data: bytes) -> bool:
    """Say whether *data* is text with two or four bytes a character, so that nothing in it can be read bytewise."""
    return (_marked(data) or zeros_say(data) or "utf-8") != "utf-8"


def zeros_say(data: bytes) -> str | None:
    """Tell UTF-16 and UTF-32 without a mark by the zeros of their ASCII characters; None for anything else."""
    head = data[:4096]
    head = head[: len(head) // 4 * 4]
    if len(head) < 4 or b"\x00" not in head:
        return None
    quarters = [head[place::4].count(0) / (len(head) // 4) for place in range(4)]
    full = [share > 0.7 for share in quarters]
    bare = [share < 0.2 for share in quarters]
    if full == [False, True, True, True] and bare[0]:
        return "utf-32-le"
    if full == [True, True, True, False] and bare[3]:
        return "utf-32-be"
    if full == [False, True, False, True] and bare[0] and bare[2]:
        return "utf-16-le"
    if full == [True, False, True, False] and bare[1] and bare[3]:
        return "utf-16-be"
    return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _guess(data: bytes, expected: str) -> str:
    found: CharsetMatches = from_bytes(data[:_SAMPLE])
    best = found.best()
    if best is None:
        return expected
    for match in found:
        if expected in match.could_be_from_charset and match.chaos <= best.chaos + _NEARLY_AS_CLEAN:
            return expected
    return best.encoding
