"""`ragstone up`: the whole platform in this process."""

from __future__ import annotations

from fargate.cli.connection import read_settings
from fargate.cli.console import say


def up() -> None:
    """Start the whole platform on this machine, and serve until Ctrl-C."""
    settings = read_settings()
    from fargate.standalone import local  # heavy: every service comes with it

    local.up(settings, say)
