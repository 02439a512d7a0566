"""The `ragstone` command."""


def main() -> None:
    """Run it; the entry point that pyproject.toml names."""
    from fargate.cli.app import app  # only now: importing the package costs nothing

    app()
