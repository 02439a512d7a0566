"""How texts become terms."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fargate.adapters.lexical_analysis import Analyser, Analysers


def words(language: str, text: str) -> list[str]:
    """Give the words that a question in *language* is searched by."""
    return [term.word for term in Analyser(language).query_terms(text)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "The policies of the policy", ["policies"]),
        ("en", "s3:PutObject max_tokens=5", ["s3", "PutObject", "max", "tokens", "5"]),
        ("en", "ＡＢＣ abc", ["ABC"]),
        ("de", "Straße STRASSE", ["Straße"]),
        ("fr", "l’avion d'or", ["avion", "or"]),
        ("zh", "我在北京AI大", ["我在", "在北", "北京", "AI", "大"]),
        ("ja", "ｶﾞｲﾄﾞ", ["ガイ", "イド"]),
        ("th", "ไทย", ["ไท", "ทย"]),
        ("hi", "हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ar", "الكِتَابُ والكتـــاب", ["الكتاب", "والكتاب"]),
        ("en", "cafe\u0301 café", ["café"]),
        ("en", "🙂 — \x00", []),
    ],
)
def test_words_of_a_question(language: str, text: str, expected: list[str]) -> None:
    """Each distinct term by the first word that gave it, as written but for normalisation."""
    assert words(language, text) == expected


def test_the_same_term_comes_from_texts_and_questions() -> None:
    """Counts too; a term has 48 bits."""
    analyser = Analyser("en")
    analysed = analyser.analyse("Running runs; ran. Leave!")
    question = analyser.query_terms("run leaves run")
    assert {term.terms: term.count for term in question} == {question[0].terms: 2, question[1].terms: 1}
    found = dict(zip(_unpack(analysed.terms, 8), _unpack(analysed.counts, 2), strict=True))
    assert found[question[0].terms[0]] == 2
    assert found[question[1].terms[0]] == 1
    assert all(term < 2**48 for term in found)


def test_terms_are_the_same_in_every_run() -> None:
    """They are stored: this one must never change without a rebuild of every index."""
    assert [term.terms for term in Analyser("en").query_terms("policies")] == [(147_012_183_900_388,)]


def test_long_runs_are_cut_and_counts_capped() -> None:
    """Neither encoded data nor endless repetition harms the index."""
    analysed = Analyser("en").analyse("x " * 70_000 + "A" * 1_000)
    assert max(_unpack(analysed.counts, 2)) == 2**16 - 1
    assert len(_unpack(analysed.terms, 8)) == 3


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_any_text_can_be_analysed(text: str) -> None:
    """The terms of a text as a question are those of it as a document."""
    analyser = Analyser("ar")
    analysed = analyser.analyse(text)
    found = Counter(dict(zip(_unpack(analysed.terms, 8), _unpack(analysed.counts, 2), strict=True)))
    assert found == Counter({term.terms[0]: term.count for term in analyser.query_terms(text)})


def test_threads_share_an_analyser() -> None:
    """Stemmers are not made for it; the analyser sees to that."""
    analyser = Analyser("en")
    texts = [" ".join(f"{word}{number}ing" for word in ("run", "jump", "leav")) for number in range(500)]
    alone = [Analyser("en").analyse(text) for text in texts[:20]]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(analyser.analyse, texts))
    assert together[:20] == alone


def _unpack(packed: bytes, size: int) -> list[int]:
    return [int.from_bytes(packed[at : at + size], "little") for at in range(0, len(packed), size)]


def test_a_question_has_each_word_as_every_language_has_it() -> None:
    """A word that languages stem alike has one term, which a text of either holds."""
    german, english = Analyser("de"), Analyser("en")
    (houses, aurora) = Analysers().query_terms("Häusern Aurora", {"de", "en"}, "en")
    assert set(houses.terms) == {german.term("Häuser"), english.term("häusern")}
    assert aurora.terms == (english.term("Aurora"),) == (german.term("AURORA"),)
    assert (houses.word, aurora.word) == ("Häusern", "Aurora")


@pytest.mark.parametrize("languages", [set(), {"en"}, {"en", "xx"} - {"xx"}])
def test_one_language_is_asked_as_ever(languages: set[str]) -> None:
    """A question to an index of one language costs and gives what the language's own analyser does."""
    text = "The policies of the policy on leave"
    assert Analysers().query_terms(text, languages, "en") == Analyser("en").query_terms(text)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the will of the man", ["What", "man"]),
        ("Was will mir der Mann", ["will", "Mann"]),
        ("will man", ["man"]),  # a draw: the index's own
        ("كيف will", ["كيف"]),
        ("ما هي الإجازة will", ["الإجازة", "will"]),
    ],
)
def test_stop_words_are_those_of_the_questions_own_language(question: str, expected: list[str]) -> None:
    """Told by which language's it has most of, the index's own where that is a draw."""
    found = Analysers().query_terms(question, {"ar", "de", "en"}, "en")
    assert [term.word for term in found] == expected


def test_languages_without_rules_share_an_analyser() -> None:
    """They cost one search, and one memory."""
    analysers = Analysers()
    assert analysers.of("ja") is analysers.of("zh") is analysers.of("xx")
    assert analysers.of("de") is analysers.of("de") is not analysers.of("nl")
    assert len(analysers.query_terms("有給休暇", {"ja", "zh", "ko"}, "ja")[0].terms) == 1
