"""Manifests are read line by line, from any line on, whatever is between the ends of two lines."""

from __future__ import annotations

import random

import pytest

from chalicelib.ports.blobs import BlobKey, Bucket
from fargate.ingestion.manifests import MAX_LINE_BYTES, Line, lines_of
from tests.fakes.ingestion import Disk

KEY = BlobKey(Bucket.IMPORTS, "acme/_manifests/job_1.jsonl")


def lines(disk: Disk, data: bytes, **start: int) -> list[Line]:
    disk.blobs.put(KEY, data)
    return list(lines_of(disk.blobs, KEY, **start))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\n \r\n\n", []),
        (b"a", [(1, b"a")]),
        (b"a\n", [(1, b"a")]),
        (b"a\r\nb", [(1, b"a\r"), (2, b"b")]),
        (b"\n\na\n\nb\n\n", [(3, b"a"), (5, b"b")]),
    ],
)
def test_lines_are_numbered_and_blank_ones_left_out(disk: Disk, data: bytes, found: list[tuple[int, bytes]]) -> None:
    """Numbers are those that an editor shows."""
    assert [(line.number, line.data) for line in lines(disk, data)] == found


def test_reading_can_begin_after_any_line(disk: Disk) -> None:
    """With the number and the end of a line in hand, the rest is the same as in one go, over many pieces."""
    chance = random.Random(4)
    data = b"\n".join(b"x" * chance.randrange(200_000) for _ in range(40))
    whole = lines(disk, data)
    assert b"\n".join(line.data or b"" for line in whole) == data.replace(b"\n\n", b"\n")
    for line in whole:
        rest = lines(disk, data, number=line.number, offset=line.end)
        assert rest == [one for one in whole if one.number > line.number]


def test_a_line_that_is_too_long_is_passed_over(disk: Disk) -> None:
    """It has its number and no bytes; the one behind it is read."""
    found = lines(disk, b"a\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\nb")
    assert [(line.number, line.data) for line in found] == [(1, b"a"), (2, None), (3, b"b")]
    assert found[1].end == MAX_LINE_BYTES + 4
