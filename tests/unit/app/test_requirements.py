"""What goes into the Lambda zip."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_the_zip_has_the_versions_that_everything_was_tested_with() -> None:
    """Its pins are those of requirements/run.txt."""
    app, run = pins((ROOT / "app/requirements.txt").read_text()), pins((ROOT / "requirements/run.txt").read_text())
    assert app.items() <= run.items()
    assert {"pydantic", "pyjwt", "cryptography"} <= app.keys()


def test_the_zip_stays_small() -> None:
    """The runtime has boto3, and Chalice bundles itself."""
    app = pins((ROOT / "app/requirements.txt").read_text())
    assert app.keys().isdisjoint({"boto3", "botocore", "chalice", "aws-xray-sdk"})


def test_the_project_folder_leads_to_the_core() -> None:
    """Where the link is broken, Chalice packages an empty app without a word; as a package, `app` would not import."""
    assert (ROOT / "app/chalicelib").resolve() == (ROOT / "chalicelib").resolve()
    assert not (ROOT / "app/__init__.py").exists()
