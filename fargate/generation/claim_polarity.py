"""Whether a statement and its evidence say the opposite: one denies what the other says, or has the opposite word."""

from __future__ import annotations

import re

from chalicelib.domain.words import words_of
from fargate.generation.claim_words import carries, stem

REACH = 4
"""So many words that carry something are denied by a negation before them, up to the end of the clause."""

_NEGATION_WORDS = """
    not no never cannot without neither nor none nobody nothing unable nt dont doesnt isnt arent wasnt werent cant wont
    hasnt havent didnt couldnt shouldnt wouldnt mustnt hardly
    nicht kein keine keinen keiner keinem keines nie niemals ohne
    ne pas jamais sans aucun aucune
    nunca sin ningún ninguna jamás
    non mai senza nessun não nunca sem nenhum niet geen nooit zonder ليس لا لم لن بدون غير не нет никогда без
"""
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_CONTRACTED = re.compile(r"(\w)n[’']t\b")
_CLAUSE = re.compile(r"[.;:!?。！？]|,\s+(?:but|and|or|so|aber|und|mais|et|pero|y)\b|\bbut\b|\bunless\b|\bexcept\b")
_OPPOSITES = [
    (frozenset(map(stem, one.split())), frozenset(map(stem, other.split())))
    for one, other in (
        ("enable enables enabled", "disable disables disabled"),
        ("allow allows allowed permit permits permitted", "deny denies denied prevent prevents forbid prohibited"),
        ("always", "never"),
        ("increase increases increased", "decrease decreases decreased reduce reduces reduced"),
        ("before", "after"),
        ("minimum", "maximum"),
        ("least", "most"),
        ("more", "less fewer"),
        ("above", "below"),
        ("higher", "lower"),
        ("larger bigger", "smaller"),
        ("public", "private"),
        ("include includes included", "exclude excludes excluded"),
        ("inbound", "outbound"),
        ("required mandatory", "optional"),
        ("attach attaches attached", "detach detaches detached"),
        ("internal", "external"),
        ("accept accepts accepted", "reject rejects rejected"),
        ("succeed succeeds", "fail fails"),
        ("true", "false"),
        ("first", "last"),
        ("everybody everyone all", "nobody"),
        ("automatically", "manually"),
        ("immer", "nie niemals"),
        ("vor", "nach"),
        ("mindestens", "höchstens"),
        ("toujours", "jamais"),
        ("avant", "après"),
        ("siempre", "nunca"),
        ("antes", "después"),
    )
]
_TURNS = ("un", "non", "in", "dis", "im")


def opposite(statement: str, evidence: str) -> str | None:
    """Say how *statement* and *evidence* contradict one another: `negation_differs`, `opposite_words`, or None."""
    said, source = _words(statement), _words(evidence)
    if _negation_differs(statement, evidence):
        return "negation_differs"
    for one, other in _OPPOSITES:
        for left, right in ((one, other), (other, one)):
            if said & left and not said & right and source & right and not source & left:
                return "opposite_words"
    return "opposite_words" if _turned(said, source) or _turned(source, said) else None


def _words(text: str) -> set[str]:
    return {stem(word.casefold()) for word in words_of(text)}


def _turned(one: set[str], other: set[str]) -> bool:
    """Say whether *one* has a word that *other* has only with a prefix that turns it."""
    cut = {prefix + word: word for prefix in _TURNS for word in one - other if len(word) > 3}
    return any(stem(turned) in other - one for turned in cut)


def _negation_differs(statement: str, evidence: str) -> bool:
    said_denied, said_plain = _polarity(statement)
    source_denied, source_plain = _polarity(evidence)
    shared = (said_denied | said_plain) & (source_denied | source_plain)
    if said_denied & shared and not said_denied & source_denied:
        return True
    only_denied = (source_denied - source_plain) & shared
    return not said_denied and bool(only_denied & said_plain)


def _polarity(text: str) -> tuple[set[str], set[str]]:
    """Give the words that carry something and are denied in *text*, and those that are said plainly."""
    denied: set[str] = set()
    plainly: set[str] = set()
    for clause in _CLAUSE.split(_CONTRACTED.sub(r"\1 not", text)):
        left = 0
        for word in words_of(clause):
            folded = word.casefold()
            if folded in _NEGATIONS:
                left = REACH
            elif carries(folded):
                (denied if left else plainly).add(stem(folded))
                left = max(left - 1, 0)
    return denied, plainly
