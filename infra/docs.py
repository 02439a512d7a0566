"""Make the generated documents (`make docs`), or check that documents are true (`--check`, part of `make check`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from chalicelib import errors, settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ADR_SECTIONS = ("Status", "Context", "Decision", "Consequences", "Alternatives", "Enforced by")


def main(arguments: list[str]) -> int:
    """Write the documents, or with `--check` print what is wrong; give the exit status."""
    if "--check" not in arguments:
        for path, text in _generated().items():
            path.write_text(text, encoding="utf-8")
            print("wrote", path.relative_to(ROOT))
        return 0
    wrong = [*_stale(), *_broken_links(), *_unknown_targets(), *_incomplete_decisions()]
    for line in wrong:
        print(line)
    print("documents:", "as they should be" if not wrong else f"{len(wrong)} to mend")
    return 1 if wrong else 0


def _generated() -> dict[Path, str]:
    return {DOCS / "configuration.md": settings.reference(), DOCS / "errors.md": _errors()}


def _errors() -> str:
    rows = [
        f"| `{error.code}` | {error.status} | {'yes' if error.retryable else 'no'} | {_first_line(error)} |"
        for error in errors.RESPONSES
    ]
    return "\n".join([_ERRORS_INTRODUCTION, *rows, ""])


def _first_line(error: type[errors.RagError]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


def _stale() -> Iterator[str]:
    for path, text in _generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"{path.relative_to(ROOT)}: out of date; run `make docs`"


def _broken_links() -> Iterator[str]:
    for page in _pages():
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                yield f"{page.relative_to(ROOT)}: links to {target}, which does not exist"


def _unknown_targets() -> Iterator[str]:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in _pages():
        for target in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")):
            if target not in known:
                yield f"{page.relative_to(ROOT)}: `make {target}` is not in the Makefile"


def _incomplete_decisions() -> Iterator[str]:
    for page in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        text = page.read_text(encoding="utf-8")
        for section in ADR_SECTIONS:
            if f"**{section}.**" not in text:
                yield f"{page.relative_to(ROOT)}: has no {section}"


def _pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


_ERRORS_INTRODUCTION = """# Errors

<!-- Made by `make docs` from chalicelib/errors.py. -->

Every error is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `code` and `trace_id`;
`detail` says what was wrong, with which value, and what to do. Validation errors list their places in `errors`, each
with `loc` and `msg`. Quote the `trace_id` when you ask for help.

| `code` | status | worth retrying as it is | when |
| --- | --- | --- | --- |"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
