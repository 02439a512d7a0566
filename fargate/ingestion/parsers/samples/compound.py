"""Compound files (MS-CFB), the containers of old office formats and Outlook messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

_SECTOR, _SMALL_SECTOR = 512, 64
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_CUTOFF = 4096
_STORAGE, _STREAM, _ROOT = 1, 2, 5

Tree = Mapping[str, "bytes | Tree"]
"""Streams, and storages that hold some, by name."""


@dataclass
class _Entry:
    name: str
    kind: int
    start: int = 0
    size: int = 0
    right: int = _FREE
    child: int = _FREE

    def written(self) -> bytes:
        name = (self.name + "\x00").encode("utf-16-le")
        head = name.ljust(64, b"\x00") + struct.pack("<HBB3I", len(name), self.kind, 1, _FREE, self.right, self.child)
        return head + bytes(36) + struct.pack("<IQ", self.start, self.size)


def compound(tree: Tree) -> bytes:
    """Make a compound file (MS-CFB) of small streams, some 50 KiB in all."""
    entries, small, chains = [_Entry("Root Entry", _ROOT)], bytearray(), list[int]()
    _add(tree, entries[0], entries, small, chains)
    entries[0].size = len(small)
    directory = _whole(b"".join(entry.written() for entry in entries))
    table = _whole(struct.pack(f"<{len(chains)}I", *chains), b"\xff")
    stream = _whole(bytes(small))
    places = [1]  # the allocation table itself is sector 0
    for part in (directory, table, stream):
        places.append(places[-1] + len(part) // _SECTOR)
    entries[0].start = places[2]
    directory = _whole(b"".join(entry.written() for entry in entries))
    sectors = [_FAT, *(link for first, end in pairwise(places) for link in _chain(first, end - first))]
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, _CUTOFF, places[1], len(table) // _SECTOR, _END, 0)
    header += struct.pack("<109I", 0, *[_FREE] * 108)
    return header + struct.pack("<128I", *(sectors + [_FREE] * 128)[:128]) + directory + table + stream


def _add(tree: Tree, above: _Entry, entries: list[_Entry], small: bytearray, chains: list[int]) -> None:
    before: _Entry | None = None
    for name, node in tree.items():
        entry = _Entry(name, _STREAM if isinstance(node, bytes) else _STORAGE)
        if before is None:
            above.child = len(entries)
        else:
            before.right = len(entries)
        entries.append(entry)
        before = entry
        if isinstance(node, bytes):
            entry.start, entry.size = len(small) // _SMALL_SECTOR, len(node)
            count = -(-len(node) // _SMALL_SECTOR)
            chains.extend(_chain(entry.start, count))
            small += node.ljust(count * _SMALL_SECTOR, b"\x00")
        else:
            _add(node, entry, entries, small, chains)


def _chain(first: int, count: int) -> Iterator[int]:
    """Link *count* sectors from *first* on."""
    yield from range(first + 1, first + count)
    if count:
        yield _END


def _whole(data: bytes, filler: bytes = b"\x00") -> bytes:
    return data + filler * (-len(data) % _SECTOR)
