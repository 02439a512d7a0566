"""
Build the Lambda package of the API edge: python infra/build_edge.py. It is checked before it counts.

The zip holds what Chalice's own packager would put in (`app.py`, `chalicelib`, Chalice's two runtime modules and the
requirements), but is the same byte for byte whenever the sources are: fixed times, order and permissions. It is built
here rather than by Chalice, which passes silently over a broken `chalicelib` link.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import chalice

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "edge.zip"
MAX_BYTES = 10 * 1024 * 1024
EPOCH = (1980, 1, 1, 0, 0, 0)
FORBIDDEN = ("boto3/", "botocore/", "numpy/", "openvino/", "starlette/", "fastapi/", "litellm/", "nicegui/", "fargate/")
NEEDED = ("app.py", "chalice/app.py", "chalicelib/edge/application.py", "pydantic/main.py", "jwt/api_jwt.py")

_PROBE = """
import json, sys, types
import app
event = {
    "resource": "/health", "path": "/v1/health", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
    "pathParameters": None, "multiValueQueryStringParameters": None, "stageVariables": None, "body": None,
    "isBase64Encoded": False,
    "requestContext": {"resourcePath": "/health", "httpMethod": "GET", "path": "/v1/health", "identity": {}},
}
print(json.dumps(app.app(event, types.SimpleNamespace(aws_request_id="probe"))))
"""


def main() -> None:
    """Build, check, and print what was built."""
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "edge"
        stage(staged)
        TARGET.parent.mkdir(exist_ok=True)
        pack(staged, TARGET)
        again = Path(folder) / "again.zip"
        pack(staged, again)
        if again.read_bytes() != TARGET.read_bytes():
            raise SystemExit("two packages of the same files differ")
        check(TARGET)
        answer_one_request(staged)
    digest = hashlib.sha256(TARGET.read_bytes()).hexdigest()
    print(json.dumps({"package": TARGET.name, "bytes": TARGET.stat().st_size, "sha256": digest}))


def stage(folder: Path) -> None:
    """Lay out the files of the package in *folder*: requirements first, then our own."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as locked:
        locked.write(locked_requirements())
        locked.flush()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
        subprocess.run([*command, "--target", str(folder), "--requirement", locked.name], check=True)
    _copy(ROOT / "app" / "app.py", folder / "app.py")
    for module in ("__init__.py", "app.py"):
        _copy(Path(chalice.__file__).parent / module, folder / "chalice" / module)
    for source in sorted((ROOT / "chalicelib").rglob("*.py")):
        _copy(source, folder / source.relative_to(ROOT))


def locked_requirements() -> str:
    """Give the entries of requirements/run.txt, hashes included, that app/requirements.txt names."""
    names = re.findall(
        r"^([a-z0-9-]+)==", (ROOT / "app" / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    locked = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    entries = {entry.split("==")[0]: entry for entry in re.split(r"\n(?=[a-z0-9])", locked) if "==" in entry}
    missing = [name for name in names if name not in entries]
    if missing:
        raise SystemExit(f"app/requirements.txt names {missing}, which requirements/run.txt does not lock")
    return "\n".join(entries[name] for name in names) + "\n"


def pack(folder: Path, target: Path) -> None:
    """Write the zip of *folder*: the same bytes for the same files."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path in _packed(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            package.writestr(entry, path.read_bytes())


def check(package: Path) -> None:
    """Stop unless the zip holds what it must, nothing it must not, and is small enough."""
    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
    wrong = [name for name in NEEDED if name not in names]
    wrong += [name for name in names if name.startswith(FORBIDDEN)]
    if wrong:
        raise SystemExit(f"the package lacks, or must not hold: {wrong[:10]}")
    if package.stat().st_size > MAX_BYTES:
        raise SystemExit(f"the package has {package.stat().st_size} bytes; at most {MAX_BYTES} are allowed")


def answer_one_request(staged: Path) -> None:
    """Let a bare interpreter, with nothing but the package, answer one event of API Gateway."""
    with tempfile.TemporaryDirectory() as data:
        services = {f"RAGSTONE_{name}_URL": "http://127.0.0.1:9" for name in ("INGESTION", "RETRIEVAL", "GENERATION")}
        environment = {"PATH": os.defpath, "RAGSTONE_DATA_DIR": data, **services}
        # -E ignores PYTHONPATH, so the path goes in through the program itself.
        program = f"import sys; sys.path.insert(0, {str(staged)!r})\n{_PROBE}"
        command = [sys.executable, "-S", "-E", "-B", "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or json.loads(done.stdout.splitlines()[-1])["statusCode"] != 200:
        raise SystemExit(f"the package does not answer:\n{done.stdout}{done.stderr}")


def _packed(folder: Path) -> Iterator[Path]:
    """Leave out commands, bytecode, and what pip writes about itself, which differs between installations."""
    left_out = {"bin", "__pycache__", "RECORD", "direct_url.json", "REQUESTED", "INSTALLER"}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and left_out.isdisjoint(path.relative_to(folder).parts):
            yield path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


if __name__ == "__main__":
    main()
