"""Questions with their answers out of manuals."""

from __future__ import annotations

import json
from pathlib import Path

from bench import faq_questions

ANSWER = "A savepoint is a mark inside a transaction to which it can be rolled back. " * 4
FAQ = f"""<html><head><meta charset="utf-8"><title>Questions</title></head><body><nav>menu</nav>
<h1>Questions</h1><p>Read <a href="guide.html#top">the guide</a>.</p>
<h2>1.2. What is a savepoint?<a class="headerlink">¶</a></h2><p>{ANSWER}</p><pre>SAVEPOINT a;</pre>
<h2>Is it short?</h2><p>Yes.</p></body></html>"""


def test_a_heading_that_asks_makes_room_for_its_number(tmp_path: Path) -> None:
    """The question is kept apart, without its number and signs; its answer stays where it was; links are followed."""
    manual, sets = tmp_path / "manual", tmp_path / "sets"
    manual.mkdir()
    (manual / "faq.html").write_text(FAQ, encoding="utf-8")
    (manual / "guide.html").write_text("<html><body><h1>Guide</h1><p>All of it.</p></body></html>", encoding="utf-8")
    (manual / "unlinked.html").write_text("<html><body><h1>Else</h1></body></html>", encoding="utf-8")

    faq_questions.main([str(manual), str(sets)])

    rows = [json.loads(line) for line in (sets / "manual" / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{"text": "What is a savepoint?", "page": "faq", "heading": "Question 3"}]
    page = (sets / "manual" / "pages" / "faq.md").read_text(encoding="utf-8")
    assert "What is a savepoint" not in page
    assert f"## Question 3\n\n{ANSWER.strip()}\n\n```\nSAVEPOINT a;\n```" in page
    assert "## Is it short?" in page
    assert "menu" not in page
    assert sorted(path.name for path in (sets / "manual" / "pages").iterdir()) == ["faq.md", "guide.md"]
