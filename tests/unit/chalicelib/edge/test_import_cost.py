"""The edge starts in a Lambda, so importing it must load nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
HEAVY = (
    *("litellm", "numpy", "openvino", "httpx", "starlette", "fastapi", "nicegui", "aws_xray_sdk"),
    *("boto3", "botocore", "chalice.local", "chalice.test"),
)
ENVIRONMENT = {
    "RAGSTONE_INGESTION_URL": "http://127.0.0.1:1/ingestion",
    "RAGSTONE_RETRIEVAL_URL": "http://127.0.0.1:1/retrieval",
    "RAGSTONE_GENERATION_URL": "http://127.0.0.1:1/generation",
    "RAGSTONE_GATEWAY_URL": "http://127.0.0.1:1/gateway",
}


@pytest.mark.parametrize("module", ["chalicelib.edge.application", "chalicelib.edge.assembly", "app"])
def test_importing_the_edge_loads_nothing_heavy(module: str, tmp_path: Path) -> None:
    """Neither what belongs to the services, nor an AWS SDK, nor Chalice's development tools."""
    loaded = _run(f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])", tmp_path)
    assert loaded.split() == []


def test_the_examples_are_loaded_only_for_the_description(tmp_path: Path) -> None:
    """They are built at import, and hardly anybody asks for them."""
    statement = "import sys, chalicelib.edge.application; print('chalicelib.edge.examples' in sys.modules)"
    assert _run(statement, tmp_path).strip() == "False"


def test_the_app_names_its_authorizer_as_the_packager_expects(tmp_path: Path) -> None:
    """The handler's name in the template must lead to the authorizer."""
    handlers = "[(one.name, one.handler_string) for one in app.app.builtin_auth_handlers]"
    printed = _run(f"import app; print({handlers}, app.authorize is app.app.handler_map['authorize'])", tmp_path)
    assert printed.strip() == "[('authorize', 'app.authorize')] True"


def test_what_the_edge_opened_stays_open(tmp_path: Path) -> None:
    """A Lambda lives on for hours, and garbage is collected meanwhile."""
    statement = (
        "import gc; from chalicelib.edge.assembly import edge_from_environment; edge = edge_from_environment();"
        "gc.collect(); print(*[each.status for each in edge.readiness()])"
    )
    assert _run(statement, tmp_path).split() == ["ok", "ok", "ok"]


def _run(statement: str, folder: Path) -> str:
    environment = {**ENVIRONMENT, "RAGSTONE_DATA_DIR": str(folder), "PYTHONPATH": f"{ROOT}:{ROOT / 'app'}"}
    done = subprocess.run(
        [sys.executable, "-c", statement], env=environment, cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
