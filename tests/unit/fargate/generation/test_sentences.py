"""Sentences have exact places, end where they end, and leave out what states nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fargate.generation.sentences import MAX_SENTENCE_CHARACTERS, plain, sentences

PROSE = ["A sentence.", "Dr. Who", "e.g. this", "3.14", "これは文です。", "**bold**", "[name](url.md)", "\\."]
LINES = ["# Title", "| a | b |", "|---|---|", "```", "- item", "1. step"]
SIGNS = ["\n", "\n\n", " ", "?", "!", "\r\n", "\u2028", "(", "]", '"']
PIECES = st.sampled_from(PROSE + LINES + SIGNS)


def raw(text: str) -> list[str]:
    return [text[one.start : one.end] for one in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met Mrs. Jones. They left.", ["Dr. Smith met Mrs. Jones.", "They left."]),
        ("Use a port, e.g. 8080, i.e. HTTP. Done.", ["Use a port, e.g. 8080, i.e. HTTP.", "Done."]),
        ("It costs $3.50 a day. See No. 5 below.", ["It costs $3.50 a day.", "See No. 5 below."]),
        ("Open https://a.example/x.y?z=1.2 first. Then go.", ["Open https://a.example/x.y?z=1.2 first.", "Then go."]),
        ("J. R. R. Tolkien wrote it. He did.", ["J. R. R. Tolkien wrote it.", "He did."]),
        ("The U.S. Army came. It left.", ["The U.S. Army came.", "It left."]),
        (
            '"Really?" she asked. He said "No." Then he left.',
            ['"Really?" she asked.', 'He said "No."', "Then he left."],
        ),
        ("A line\nthat goes on.\nAnother one.", ["A line\nthat goes on.", "Another one."]),
        ("It is known.[3] So it is.", ["It is known.[3]", "So it is."]),
        ("A tokenised one . And `` another . ''", ["A tokenised one .", "And `` another . ''"]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("ما هذا؟ هذا كتاب.", ["ما هذا؟", "هذا كتاب."]),
        ("Er kam z.B. im Mai. Dann ging er.", ["Er kam z.B. im Mai.", "Dann ging er."]),
    ],
)
def test_prose_is_cut_where_sentences_end(text: str, expected: list[str]) -> None:
    """Not after abbreviations and initials, nor inside numbers and addresses."""
    assert raw(text) == expected


def test_a_list_item_and_a_table_row_stand_by_themselves() -> None:
    """An item, without its marker, may hold several sentences and go on; a row is one, and a table's head is none."""
    text = (
        "Steps:\n\n1. Stop it. Wait.\n2. Start\n   it.\n\n| Class | Memory |\n| --- | --- |\n| db.t3 | 2 GiB. Small |\n"
    )
    assert raw(text) == ["Steps:", "Stop it.", "Wait.", "Start\n   it.", "| db.t3 | 2 GiB. Small |"]
    assert [one.shown for one in sentences(text)][1:] == ["Stop it.", "Wait.", "Start it.", "db.t3 | 2 GiB. Small"]


def test_what_states_nothing_is_left_out() -> None:
    """Headings, code, rules, and a table of contents."""
    text = (
        "# Stopping<a name='x'></a>\n\n+ [Stopping an instance](stop.md)\n+ [Starting](start.md).\n\n---\n"
        "```\naws rds stop-db-instance. Now.\n```\n\nYou can stop it."
    )
    assert raw(text) == ["You can stop it."]


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("How do I stop it?", False),
        ("Stopping an instance", False),
        ("For more information about stopping it, see Stopping an instance.", False),
        ("Mehr dazu unter [Anhalten einer DB-Instance](stop.md).", False),
        ("You can stop it.", True),
        ("You can [stop](stop.md) it.", True),
        ("- stop it", True),
        ("| a | b |", True),
        ("A line that is far too long to be the heading of anything, though no sign stands at its end", True),
    ],
)
def test_questions_headings_and_pointers_state_nothing(text: str, states: bool) -> None:
    """They resemble a question more than any answer does."""
    assert [one.states for one in sentences(text)] == [states]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("You **can** _stop_ `it`\\.", "You can stop it."),
        ("- See [the guide](https://x.example/a_b.md) and ![a chart](c.png)", "See the guide and a chart"),
        ("| a | b |", "a | b"),
        ("snake_case_name * 2 * 3", "snake_case_name * 2 * 3"),
        ("Known since 1920 [12].", "Known since 1920 (12)."),
        ("a <b>tag</b> and\n a line", "a tag and a line"),
    ],
)
def test_plain_text_has_no_markdown(markdown: str, expected: str) -> None:
    """Names stay, targets go, and nothing reads as a citation marker that is none."""
    assert plain(markdown) == expected


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200))
def test_places_are_exact_in_order_and_apart(text: str) -> None:
    """Whatever the text: no sentence overlaps another, begins or ends with white space, is empty or too long."""
    end = 0
    for one in sentences(text):
        assert end <= one.start < one.end <= len(text)
        quote = text[one.start : one.end]
        assert quote == quote.strip()
        assert len(quote) <= MAX_SENTENCE_CHARACTERS
        assert one.shown == plain(quote)
        end = one.end
