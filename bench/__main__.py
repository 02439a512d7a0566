"""Run every benchmark, or those named: python -m bench [NAME…]. None of them fails by the clock."""

from __future__ import annotations

import importlib
import sys

from bench import report

ALL = ("embedding", "vectors", "edge_import", "ingestion", "retrieval", "gateway", "first_token", "footprint")


def main(names: list[str]) -> int:
    """Print the machine, then the rows of each benchmark."""
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(ALL)}")
        return 2
    report.row("machine", **report.machine())
    for name in names or ALL:
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
