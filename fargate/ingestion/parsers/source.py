"""What a parser is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Source:
    """
    The bytes of one file, what they were found to be, and the bounds within which they may be read.

    *language* is two letters and only helps to guess an encoding that the file does not name.
    """

    data: bytes
    name: str
    media_type: str
    language: str = "en"
    password: str | None = None
    max_pages: int = 5_000
    max_characters: int = 20_000_000

    @property
    def stem(self) -> str:
        """The name without its folder and ending: the title of last resort."""
        return PurePath(self.name).stem or self.name
