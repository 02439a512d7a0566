"""The hard facts of a text: numbers with their units, dates and names, in forms that can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero",
            "february feb februar février febrero",
            "march mar märz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug août agosto",
            "september sep sept septembre septiembre",
            "october oct oktober octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember décembre diciembre",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b")
_NUMERIC = re.compile(r"\b(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})\b")
_DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.|er)?\s+(?:of\s+|de\s+)?({_MONTH})\b\.?,?(?:\s+(?:de\s+)?(\d{{4}}))?", re.I
)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+(\d{{4}}))?", re.I)
_MONTH_YEAR = re.compile(rf"\b({_MONTH})\b\.?,?\s+(?:de\s+)?(\d{{4}})\b", re.I)

Date = tuple[int | None, int | None, int | None]
"""Year, month, day; None where the text does not say."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number: *values* are its readings (1.000 is one or a thousand), *unit* in one spelling or empty."""

    values: frozenset[float]
    unit: str = ""


def dates(text: str) -> list[frozenset[Date]]:
    """Give the dates of *text*, each as its readings: 3/5/2024 has two."""
    return [readings for readings, _, _ in _dates(text)]


def numbers(text: str) -> list[Number]:
    """Give the numbers of *text* that belong to no date, figures before those written out."""
    rest = text
    for _, start, end in _dates(text):
        rest = rest[:start] + " " * (end - start) + rest[end:]
    return [*_figures(rest), *_written(rest)]


def names(text: str) -> list[str]:
    """
    Give the words of *text* that name something: capitalised within a sentence, acronyms, identifiers; case-folded.

    A word that only begins a sentence is none. Where nouns have capitals (German), only acronyms and identifiers are.
    """
    capitals = not _has_capital_nouns(text)
    found: list[str] = []
    for word in _TOKEN.finditer(text):
        token = word.group().rstrip(".-_:/")
        if token.casefold() in FACT_WORDS:
            continue
        if _is_identifier(token) or (capitals and _is_name(token, text, word.start())):
            found.append(token.casefold().removesuffix("'s").removesuffix("’s"))
    return list(dict.fromkeys(found))


def _dates(text: str) -> Iterator[tuple[frozenset[Date], int, int]]:
    taken: list[tuple[int, int]] = []
    for pattern, read in _READERS:
        for found in pattern.finditer(text):
            start, end = found.span()
            readings = frozenset(date for date in read(found) if _is_date(date))
            if readings and all(end <= low or start >= high for low, high in taken):
                taken.append((start, end))
                yield readings, start, end


def _is_date(date: Date) -> bool:
    _, month, day = date
    return (month is None or 1 <= month <= 12) and (day is None or 1 <= day <= 31)


def _year(found: str | None) -> int | None:
    return int(found) if found else None


_READERS = (
    (_ISO, lambda m: [(int(m[1]), int(m[2]), int(m[3]))]),
    (_NUMERIC, lambda m: [(int(m[3]), int(m[2]), int(m[1])), (int(m[3]), int(m[1]), int(m[2]))]),
    (_DAY_FIRST, lambda m: [(_year(m[3]), _MONTHS[m[2].casefold()], int(m[1]))]),
    (_MONTH_FIRST, lambda m: [(_year(m[3]), _MONTHS[m[1].casefold()], int(m[2]))]),
    (_MONTH_YEAR, lambda m: [(int(m[2]), _MONTHS[m[1].casefold()], None)]),
)

_FIGURE = re.compile(
    r"(?<![\w.])([$€£¥])?\s?(\d{1,3}(?:[,.'’\u00a0\u202f ]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
    r"(?:\s?(%|‰)|[\s\u00a0-]?([^\W\d_]+))?"
)
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "millionen": 1e6, "millones": 1e6, "billion": 1e9}
_UNITS = {
    spelling: spellings.split()[0]
    for spellings in (
        "% percent pct prozent",
        "$ dollar dollars usd",
        "€ euro euros eur",
        "second seconds sec secs s segundos sekunden secondes",
        "minute minutes min mins minuten minutos",
        "hour hours hr hrs h stunde stunden heures horas",
        "day days tag tage tagen jour jours día días",
        "week weeks woche wochen semaines semanas",
        "month months monat monate mois meses",
        "year years jahr jahre jahren ans années años",
        "ms millisecond milliseconds",
        "byte bytes",
        "kb kilobyte kilobytes",
        "mb megabyte megabytes",
        "gb gigabyte gigabytes",
        "tb terabyte terabytes",
        "kib",
        "mib",
        "gib",
        "tib",
        "mbps",
        "gbps",
        "kg",
        "km kilometer kilometers kilometres",
        "miles mile",
        "meters meter metres metre",
        "feet foot ft",
        "iops",
    )
    for spelling in spellings.split()
}
_WRITTEN = {
    word: float(value)
    for value, words in {
        2: "two zwei deux dos",
        3: "three drei trois tres",
        4: "four vier quatre cuatro",
        5: "five fünf cinq cinco",
        6: "six sechs seis",
        7: "seven sieben sept siete",
        8: "eight acht huit ocho",
        9: "nine neun nueve",
        10: "ten zehn dix diez",
        11: "eleven elf onze once",
        12: "twelve zwölf douze doce",
        13: "thirteen",
        14: "fourteen",
        15: "fifteen",
        16: "sixteen",
        17: "seventeen",
        18: "eighteen",
        19: "nineteen",
        20: "twenty zwanzig vingt veinte",
        30: "thirty dreißig trente treinta",
        40: "forty vierzig quarante cuarenta",
        50: "fifty fünfzig cinquante cincuenta",
        60: "sixty",
        70: "seventy",
        80: "eighty",
        90: "ninety",
    }.items()
    for word in words.split()
}
_AMBIGUOUS = frozenset(["once", "sept", "s"])  # English once, the month
FACT_WORDS = frozenset([*_MONTHS, *_UNITS, *_WRITTEN, *_SCALES]) - {"once", "mai", "s"}
"""Words of dates and figures, which are compared by what they come to."""
_COUNTED = re.compile(
    rf"\b({'|'.join(sorted(_WRITTEN.keys() - _AMBIGUOUS, key=len, reverse=True))})\b"
    rf"(?:[\s-]({'|'.join(_WRITTEN.keys() - _AMBIGUOUS)}))?(?:[\s-]([^\W\d_]+))?",
    re.I,
)


def _figures(text: str) -> Iterator[Number]:
    for found in _FIGURE.finditer(text):
        currency, digits, sign, word = found.groups()
        word = (word or "").casefold()
        scale = _SCALES.get(word, 1.0)
        unit = _UNITS.get(currency or sign or word, "")
        yield Number(frozenset(value * scale for value in _readings(digits)), unit)


def _readings(digits: str) -> Iterator[float]:
    bare = re.sub(r"[\s'’]", "", digits)
    if bare.isdigit():
        yield float(bare)
        return
    point = max(bare.rfind(","), bare.rfind("."))
    whole, fraction = re.sub(r"[.,]", "", bare[:point]), bare[point + 1 :]
    yield float(f"{whole}.{fraction}")
    if len(fraction) == 3:
        yield float(whole + fraction)


def _written(text: str) -> Iterator[Number]:
    for found in _COUNTED.finditer(text):
        first, second, word = (part.casefold() if part else "" for part in found.groups())
        value = _WRITTEN[first]
        if second:
            value = value + _WRITTEN[second] if value >= 20 and _WRITTEN[second] < 10 else value
        scale = _SCALES.get(word, 1.0)
        yield Number(frozenset([value * scale]), _UNITS.get(word, ""))


_TOKEN = re.compile(r"[^\W_](?:[\w’'./:-]*\w)?")
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|nicht|ein|eine|wird|werden|mit|für)\b", re.I)
_SIGNS_BETWEEN = " \t\"'“‘«([*_`>#|-"


def _has_capital_nouns(text: str) -> bool:
    return len(_GERMAN.findall(text)) >= 2


def _is_identifier(token: str) -> bool:
    """Say whether *token* is written as no plain word is: an acronym, mixed case, letters with figures or signs."""
    if token[0].isdigit() or sum(map(str.isalpha, token)) < 2:
        return False
    inner = any(sign.isupper() for sign in token[1:])
    return inner or any(sign.isdigit() for sign in token) or "_" in token


def _is_name(token: str, text: str, start: int) -> bool:
    return len(token) > 1 and token[0].isupper() and not _begins(text, start)


def _begins(text: str, start: int) -> bool:
    """Say whether a sentence begins at *start*, but for quotes, brackets and Markdown's signs."""
    while start > 0 and text[start - 1] in _SIGNS_BETWEEN:
        start -= 1
    return start == 0 or text[start - 1] in ".!?:;…。\n"
