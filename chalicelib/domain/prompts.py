"""Prompts: how a model is asked, as named versions that never change and templates without logic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from string import Template

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
"""Of prompts, and of their labels."""
MAX_LABELS = 50
"""How many labels a prompt may have at a time."""
REFERENCE_PATTERN = r"^[a-z][a-z0-9-]{0,62}(@[1-9][0-9]{0,5}|:[a-z][a-z0-9-]{0,62})?$"
"""``name@3`` is a version, ``name:production`` what a label points to, ``name`` alone the latest version."""


class Part(StrEnum):
    """The two messages that a prompt writes: what goes before the conversation, and what asks the question."""

    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """One version of a prompt. *system* stands under the platform's own rules, which no prompt replaces."""

    name: str
    number: int
    system: str
    user: str
    created_at: datetime
    created_by: str
    note: str = ""

    @property
    def reference(self) -> str:
        """The name under which releases keep it."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, with the number of its latest version, and labels that each point to one of its versions."""

    name: str
    description: str
    latest: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    labels: Mapping[str, int] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a template."""

    part: Part
    message: str


VARIABLES: Mapping[Part, Mapping[str, str]] = {
    Part.SYSTEM: {
        "index": "the name of the index that is asked",
        "date": "the day of the question, as 2026-11-23, in UTC",
    },
    Part.USER: {
        "passages": "the passages, each between lines that mark it as data",
        "question": "the question",
        "index": "the name of the index that is asked",
        "date": "the day of the question, as 2026-11-23, in UTC",
    },
}
"""What can stand between two pairs of braces in each part, and what takes its place."""

_NEEDED: Mapping[Part, Sequence[str]] = {Part.SYSTEM: (), Part.USER: ("passages", "question")}


class _Braces(Template):
    """
    ``{{name}}``, and nothing else: no attributes, no filters, no loops.

    `string.Template` replaces in one pass, so that braces in a question or a document stay what they are.
    """

    delimiter = "{{"
    pattern = r"""
    \{\{(?:
      (?P<escaped>\{\{) |
      \s*(?P<named>[A-Za-z_][A-Za-z0-9_]*)\s*\}\} |
      (?P<braced>(?!)) |
      (?P<invalid>)
    )
    """  # type: ignore[assignment]  # typeshed takes it for compiled already


def faults(system: str, user: str) -> list[Fault]:
    """Give what keeps two templates from being a prompt, in their order."""
    return [*_faults(Part.SYSTEM, system), *_faults(Part.USER, user)]


def filled(template: str, values: Mapping[str, str]) -> str:
    """Give a template that has no faults with its variables replaced; four opening braces come to two."""
    return _Braces(template).substitute(values)


def parts_of(reference: str) -> tuple[str, int | str | None]:
    """Give the name of a well-formed reference, and its version's number or its label, if it has one."""
    name, separator, rest = re.split(r"([@:]|$)", reference, maxsplit=1)
    return name, int(rest) if separator == "@" else rest or None


def _faults(part: Part, template: str) -> list[Fault]:
    text = _Braces(template)
    if not text.is_valid():
        return [Fault(part, "Two braces open a variable such as {{question}}; write four for two.")]
    known = VARIABLES[part]
    used = [match["named"] for match in _Braces.pattern.finditer(template) if match["named"]]  # type: ignore[attr-defined]
    unknown = [name for name in text.get_identifiers() if name not in known]
    found = [Fault(part, f"There is no variable {name[:64]!r} here, only {', '.join(known)}.") for name in unknown]
    missing = [name for name in _NEEDED[part] if used.count(name) != 1]
    return found + [Fault(part, f"{{{{{name}}}}} must stand here exactly once.") for name in missing]
