"""The smallest binary Word documents, for their parser to be tried on before it meets real ones."""

from __future__ import annotations

import struct

from fargate.ingestion.parsers.samples.compound import compound

IN_TABLE = struct.pack("<HB", 0x2416, 1)
ROW_END = IN_TABLE + struct.pack("<HB", 0x2417, 1)
_STYLES = ((0, b""), (1, b""), (49, struct.pack("<HH", 0x460B, 1)))
_FIB, _TEXT_AT, _PAGE = 898, 1024, 512
_Paragraph = tuple[str, int, bytes]
_CONTENTS: tuple[_Paragraph, ...] = (
    ("Title\r", 1, b""),
    ("item\r", 2, b""),
    ("cell\x07", 0, IN_TABLE),
    ("\x07", 0, ROW_END),
    ("\x13CODE\x14ü\x15\r", 0, b""),
)


def doc(*paragraphs: _Paragraph, notes: str = "", flags: int = 0, version: int = 0xC1) -> bytes:
    """
    Make an old Word document: of each paragraph its text and mark, the number of its style, and its properties.

    Style 0 is the ordinary one, 1 the topmost heading, 2 that of items. *notes* stand behind the text.
    """
    paragraphs = paragraphs or _CONTENTS
    body = "".join(text for text, _, _ in paragraphs).encode("utf-16-le")
    written = body + notes.encode("utf-16-le")
    page = -(-(_TEXT_AT + len(written)) // _PAGE)
    parts = {
        0x1A2: b"\x02" + struct.pack("<I2IHIH", 16, 0, len(written) // 2, 0, _TEXT_AT, 0),
        0xA2: struct.pack("<3H", 4, len(_STYLES), 10) + b"".join(_style(number, said) for number, said in _STYLES),
        0x102: struct.pack("<3I", _TEXT_AT, _TEXT_AT + len(written), page),
    }
    main = bytearray(_FIB)
    struct.pack_into("<2H6xH", main, 0, 0xA5EC, version, flags)
    struct.pack_into("<2i", main, 0x4C, len(body) // 2, (len(written) - len(body)) // 2)
    table = b""
    for place, part in parts.items():
        struct.pack_into("<2I", main, place, len(table), len(part))
        table += part
    text = bytes(main).ljust(_TEXT_AT, b"\x00") + written
    return compound({"WordDocument": text.ljust(page * _PAGE, b"\x00") + _properties(paragraphs), "0Table": table})


def _style(number: int, said: bytes) -> bytes:
    properties = struct.pack("<2H", 2 + len(said), 0) + said
    body = struct.pack("<6H", number, 0xFFF1, 0, 0, 0, 1) + "s\x00".encode("utf-16-le") + properties
    return struct.pack("<H", len(body)) + body


def _properties(paragraphs: tuple[_Paragraph, ...]) -> bytes:
    """Write the page that says which style and properties each paragraph has."""
    starts, places, said = [_TEXT_AT], b"", b""
    first = 4 * (len(paragraphs) + 1) + 13 * len(paragraphs)
    first += first % 2
    for text, style, own in paragraphs:
        starts.append(starts[-1] + len(text.encode("utf-16-le")))
        places += bytes([(first + len(said)) // 2]) + bytes(12)
        whole = struct.pack("<H", style) + own
        said += b"\x00" + bytes([-(-len(whole) // 2)]) + whole + b"\x00" * (len(whole) % 2)
    page = struct.pack(f"<{len(starts)}I", *starts) + places
    return (page.ljust(first, b"\x00") + said).ljust(_PAGE - 1, b"\x00") + bytes([len(paragraphs)])
