"""`python -m fargate SERVICE`: one service in a process of its own, as its container starts it."""

from __future__ import annotations

import asyncio
import os
import sys

from chalicelib.bootstrap import core
from chalicelib.errors import ConfigurationError, RagError
from chalicelib.observability import logs
from chalicelib.settings import Settings
from fargate.bootstrap import SERVICES, services
from fargate.standalone.server import serve_service


def main(arguments: list[str]) -> int:
    """Serve the named service until told to stop; give the exit status."""
    if len(arguments) != 1 or arguments[0] not in SERVICES:
        sys.stderr.write(f"usage: python -m fargate SERVICE, where SERVICE is one of: {', '.join(SERVICES)}\n")
        return 2
    try:
        settings = Settings.from_env(os.environ)
        logs.configure(settings.log_level)
        with core(settings) as base, services(base) as platform:
            asyncio.run(serve_service(platform, arguments[0]))
    except RagError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        return 2 if isinstance(error, ConfigurationError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
