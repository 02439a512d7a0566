"""Identifiers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.identifiers import AttemptId, attempt_of, chunk_id, derived_id, is_id, new_id

PROPERTY = settings(max_examples=200, deadline=None, derandomize=True, database=None)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 48 bits of milliseconds last until the year 10889, longer than datetime does.
MILLISECONDS = st.integers(0, 250_000_000_000_000)
CHANCE = st.binary(min_size=10, max_size=10)
PREFIXES = st.sampled_from(["doc", "att", "job", "run", "key", "msg"])


def made(prefix: str, milliseconds: int, chance: bytes) -> str:
    """Make an id at a time given in milliseconds."""
    return new_id(prefix, EPOCH + timedelta(milliseconds=milliseconds), lambda size: chance[:size])


@PROPERTY
@given(prefix=PREFIXES, milliseconds=MILLISECONDS, chance=CHANCE)
def test_an_id_holds_its_time_and_chance(prefix: str, milliseconds: int, chance: bytes) -> None:
    """The 26 digits are 48 bits of milliseconds and 80 bits of chance, nothing lost."""
    digits = made(prefix, milliseconds, chance).removeprefix(f"{prefix}_")

    number = 0
    for digit in digits:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
    assert len(digits) == 26
    assert divmod(number, 2**80) == (milliseconds, int.from_bytes(chance, "big"))


@PROPERTY
@given(prefix=PREFIXES, milliseconds=MILLISECONDS, chance=CHANCE)
def test_an_id_has_the_form_of_one(prefix: str, milliseconds: int, chance: bytes) -> None:
    """What is made here is taken where ids are checked."""
    assert is_id(made(prefix, milliseconds, chance))


@PROPERTY
@given(
    first=st.tuples(MILLISECONDS, CHANCE), later=st.tuples(MILLISECONDS | st.integers(1, 3), CHANCE), near=st.booleans()
)
def test_ids_sort_by_their_time(first: tuple[int, bytes], later: tuple[int, bytes], near: bool) -> None:
    """Whatever chance says, the id made a millisecond later sorts later."""
    milliseconds = first[0] + later[0] % 3 + 1 if near else later[0]
    one, other = made("doc", *first), made("doc", milliseconds, later[1])

    assert (one < other) == ((first[0], first[1]) < (milliseconds, later[1]))


@PROPERTY
@given(milliseconds=MILLISECONDS, chance=CHANCE, ordinals=st.lists(st.integers(0, 99_999), min_size=2, max_size=5))
def test_chunk_ids_name_their_attempt_and_sort_by_place(milliseconds: int, chance: bytes, ordinals: list[int]) -> None:
    """The attempt can be read from a chunk's id, and chunks sort as they stand in the document."""
    attempt = AttemptId(made("att", milliseconds, chance))
    names = [chunk_id(attempt, ordinal) for ordinal in ordinals]

    assert {attempt_of(name) for name in names} == {attempt}
    assert sorted(names) == [chunk_id(attempt, ordinal) for ordinal in sorted(ordinals)]
    assert all(is_id(name) for name in names)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "ä", "a\n", "a.b", "x" * 65, "a\0"], ids=repr)
def test_other_text_is_no_id(text: str) -> None:
    """Ids are 1 to 64 of letters, digits, hyphens and underscores; not even a newline may follow."""
    assert not is_id(text)


def test_two_ids_of_the_same_moment_differ() -> None:
    """Chance tells apart what time does not."""
    at = datetime(2026, 3, 1, tzinfo=UTC)

    assert len({new_id("doc", at) for _ in range(1000)}) == 1000


@PROPERTY
@given(milliseconds=MILLISECONDS, chance=CHANCE, parts=st.lists(st.text(max_size=5), max_size=3, unique=True))
def test_a_derived_id_follows_from_its_origin_and_parts(milliseconds: int, chance: bytes, parts: list[str]) -> None:
    """The same comes out every time, another part gives another id, and it sorts by its origin's time."""
    origin = made("att", milliseconds, chance)
    name = derived_id("doc", origin, *parts)

    assert is_id(name)
    assert name == derived_id("doc", origin, *parts)
    assert name != derived_id("doc", origin, *parts, "more")
    assert made("doc", milliseconds - 1, b"\xff" * 10) < name if milliseconds else True
    assert name < made("doc", milliseconds + 1, bytes(10))
