"""Compressed rich text, as Outlook keeps bodies (MS-OXRTFCP)."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("<IIII")
_PLAIN = 0x414C454D
_WINDOW = 4096
_LONGEST = 16 * 1024 * 1024
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def unpack(data: bytes) -> bytes:
    """Give the rich text of a compressed body; of a damaged one, what comes before the damage."""
    if len(data) < _HEADER.size:
        return b""
    _, size, kind, _ = _HEADER.unpack_from(data)
    if kind == _PLAIN:
        return data[_HEADER.size : _HEADER.size + size]
    found = bytearray(_DICTIONARY)
    end = min(size, _LONGEST) + len(_DICTIONARY)
    place = _HEADER.size
    while place < len(data) and len(found) < end:
        control = data[place]
        place += 1
        for bit in range(8):
            if control >> bit & 1 == 0:
                found += data[place : place + 1]
                place += 1
                continue
            if place + 2 > len(data):
                return bytes(found[len(_DICTIONARY) :])
            offset, length = divmod(int.from_bytes(data[place : place + 2]), 16)
            place += 2
            back = (len(found) - offset) % _WINDOW
            if back == 0 or back > len(found):  # a reference to where the next byte will be ends the text
                return bytes(found[len(_DICTIONARY) : end])
            for _ in range(length + 2):
                found.append(found[-back])
    return bytes(found[len(_DICTIONARY) : end])
