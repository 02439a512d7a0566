"""Personal data taken out of what answers say: what has a form that can be checked, not names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import phonenumbers

from chalicelib.domain.releases import Redaction, RedactionSettings

# Nothing that is looked for goes on behind one of these, so that what stands between two is judged by itself.
_BOUNDARY = re.compile(r"\n|[.!?:;,](?=\s)")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")

Span = tuple[int, int]
Find = Callable[[str, str | None], Iterator[Span]]


class Redactor:
    """
    Reads an answer piece by piece and gives it on with ``[email]``, ``[phone]`` and the like in the place of what
    *settings* name.

    It holds back what comes behind the last comma or end of a sentence, and the outcome does not depend on where the
    pieces were cut.
    """

    def __init__(self, settings: RedactionSettings) -> None:
        self._settings = settings
        self._held = ""
        self.count = 0

    def feed(self, piece: str) -> str:
        """Give what can be said now that *piece* is there."""
        if not self._settings.kinds:
            return piece
        text = self._held + piece
        ends = [found.end() for found in _BOUNDARY.finditer(text)]
        said, self._held = text[: max(ends, default=0)], text[max(ends, default=0) :]
        return self._redacted(said)

    def end(self) -> str:
        """Give the rest."""
        rest, self._held = self._held, ""
        return self._redacted(rest)

    def _redacted(self, text: str) -> str:
        found = redacted(text, self._settings)
        self.count += found.count
        return found.text


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text, and how much was taken out of it."""

    text: str
    count: int


def redacted(text: str, settings: RedactionSettings) -> Redacted:
    """Give *text* without what *settings* name; where two kinds see the same, the one that begins first counts."""
    pieces, count, start = [], 0, 0
    for boundary in (*(found.end() for found in _BOUNDARY.finditer(text)), len(text)):
        piece, number = _of_piece(text[start:boundary], settings)
        pieces.append(piece)
        count, start = count + number, boundary
    return Redacted("".join(pieces), count)


def _of_piece(text: str, settings: RedactionSettings) -> tuple[str, int]:
    found = sorted((*span, kind) for kind in settings.kinds for span in FINDERS[kind](text, settings.region))
    said, end, count = "", 0, 0
    for first, last, kind in found:
        if first >= end:
            said += f"{text[end:first]}[{kind}]"
            end, count = last, count + 1
    return said + text[end:], count


def _emails(text: str, _region: str | None) -> Iterator[Span]:
    return (found.span() for found in _EMAIL.finditer(text)) if "@" in text else iter(())


def _cards(text: str, _region: str | None) -> Iterator[Span]:
    return (found.span() for found in _CARD.finditer(text) if _is_card(found[0]))


def _is_card(text: str) -> bool:
    """Say whether the digits have the check digit of ISO/IEC 7812-1, annex B (Luhn)."""
    digits = [int(sign) for sign in reversed(text) if sign.isdigit()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1


def _ibans(text: str, _region: str | None) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        # Words in capitals may follow: the longest beginning with the right check digits is the number.
        ends = [found.end(), *(found.start() + place.start() for place in re.finditer(" ", found[0]))]
        right = [end for end in ends if _is_iban(text[found.start() : end])]
        if right:
            yield found.start(), max(right)


def _is_iban(text: str) -> bool:
    """Say whether *text* has the check digits of ISO 13616-1 (modulo 97)."""
    signs = text.replace(" ", "")
    return 15 <= len(signs) <= 34 and int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _phones(text: str, region: str | None) -> Iterator[Span]:
    for found in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
        yield found.start, found.end


def _ssns(text: str, _region: str | None) -> Iterator[Span]:
    return (found.span() for found in _SSN.finditer(text))


FINDERS: Mapping[Redaction, Find] = {
    Redaction.EMAIL: _emails,
    Redaction.PHONE: _phones,
    Redaction.IBAN: _ibans,
    Redaction.CARD: _cards,
    Redaction.SSN: _ssns,
}
"""What finds each kind, in spans that do not overlap."""
