"""What may leave the process in logs and spans: facts about the work, never the words or secrets worked on."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

REFUSED = "[refused]"
MAX_CHARACTERS = 500

_REFUSED_NAMES = frozenset({"api_key", "private_key", "access_key"})
_REFUSED_WORDS = frozenset(
    {"answer", "authorization", "body", "content", "cookie", "credential", "password"}
    | {"prompt", "question", "quote", "secret", "text", "token"}
)
# How credentials look where somebody else's message repeats one: ours, a bearer's, a provider's, a signed URL's.
_CREDENTIALS = re.compile(r"rgs_\S+|bearer\s+\S+|\bsk-\S+|\beyJ[\w-]+\.\S+|\?\S*=\S*", re.IGNORECASE)


class RefusedField(UserWarning):
    """A fact was not recorded because its name says it is text or a secret; tests turn this into an error."""


def clean(facts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give *facts* as plain JSON, fit to be recorded.

    A name whose last word is that of text or a secret (`document_text`, `token`; not `text_bytes`) loses its value
    and warns `RefusedField`. Strings are cut at `MAX_CHARACTERS`; an object of an unknown class becomes its class's
    name, as its own words might hold anything.
    """
    return {name: REFUSED if _refused(name) else _plain(value) for name, value in facts.items()}


def scrub(message: str) -> str:
    """Give *message* without anything that looks like a credential, cut at `MAX_CHARACTERS`."""
    return _CREDENTIALS.sub(REFUSED, message)[:MAX_CHARACTERS]


def _refused(name: str) -> bool:
    refused = name in _REFUSED_NAMES or name.rpartition("_")[2].lower() in _REFUSED_WORDS
    if refused:
        warnings.warn(f"the field {name!r} is never recorded: record its size or an id", RefusedField, stacklevel=2)
    return refused


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return _plain(value.value)
        case str():
            return value[:MAX_CHARACTERS]
        case date():
            return value.isoformat()
        case PurePath():
            return str(value)[:MAX_CHARACTERS]
        case Mapping():
            return clean({str(name): inner for name, inner in value.items()})
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case _:
            return f"<{type(value).__name__}>"
