"""
Build the Lambda package of the API edge: python -m infra.build_edge. It is checked before it counts.

The zip holds what Chalice's own packager would put in (`app.py`, `chalicelib`, Chalice's two runtime modules and the
requirements) and the feedback component, but is the same byte for byte whenever the sources and zlib are: fixed times,
order and permissions. It is built here rather than by Chalice, which passes over a broken `chalicelib` link and
takes the wheels that suit the Python it runs on. With `--check` it is made a second time, wheels and all, and compared.
The template that goes with it is made beside it (`edge_template`).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import chalice

from infra import edge_template

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "edge.zip"
MAX_BYTES = 10_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)

PYTHON = "3.13"
LAMBDA = f"{PYTHON} Linux x86_64"
LAMBDA_WHEELS = (  # the runtime stands on Amazon Linux 2023, which has glibc 2.34
    *("--implementation", "cp", "--python-version", PYTHON),
    *("--platform", "manylinux_2_34_x86_64", "--platform", "manylinux_2_28_x86_64"),
    *("--platform", "manylinux2014_x86_64"),
)
OWN_WHEELS: Sequence[str] = ()
"""pip's own choice, which suits the Python that runs this."""

CHALICE_MODULES = ("chalice/__init__.py", "chalice/app.py")
WIDGET = "ui/static/ragstone-feedback.js"
NEEDED = ("app.py", *CHALICE_MODULES, "chalicelib/edge/application.py", "pydantic/main.py", "jwt/api_jwt.py", WIDGET)
# What the runtime has itself, what belongs to the services, and what builds and tests.
FORBIDDEN = frozenset(
    [
        *("boto3", "botocore", "s3transfer", "aws_xray_sdk", "numpy", "openvino", "tokenizers", "litellm", "httpx"),
        *("starlette", "fastapi", "uvicorn", "nicegui", "fargate", "ui", "tests", "pytest", "pip", "setuptools"),
    ]
)

_WHO = """
import platform, sys
print(sys.executable)
print("{}.{}".format(*sys.version_info), platform.system(), platform.machine())
"""
_PROBE = """
import json, types
import app
event = {
    "resource": "/health", "path": "/v1/health", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
    "pathParameters": None, "multiValueQueryStringParameters": None, "stageVariables": None, "body": None,
    "isBase64Encoded": False,
    "requestContext": {"resourcePath": "/health", "httpMethod": "GET", "path": "/v1/health", "identity": {}},
}
answer = app.app(event, types.SimpleNamespace(aws_request_id="probe"))
print(json.dumps(answer))
assert answer["statusCode"] == 200
"""


def main(arguments: Sequence[str]) -> None:
    """Build, check, and print what was built."""
    parser = argparse.ArgumentParser(description="Build the Lambda package of the API edge, and check it.")
    parser.add_argument("--check", action="store_true", help="make it a second time, and compare the bytes")
    twice = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / TARGET.name
        build(package)
        check(package)
        tried = try_out(package)
        if twice:
            _compare_with_another(package)
        TARGET.parent.mkdir(exist_ok=True)
        shutil.copyfile(package, TARGET)
    print(_described(TARGET), tried, *["built twice: the same bytes"] * twice, sep="\n")
    print(f"{edge_template.write().relative_to(ROOT)}: the template that goes with it")


def build(package: Path, wheels: Sequence[str] = LAMBDA_WHEELS) -> None:
    """Write the zip of this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        install(locked_requirements(), Path(folder), wheels)
        stage(Path(folder))
        pack(Path(folder), package)


def locked_requirements() -> str:
    """Give the entries of requirements/run.txt, hashes included, for what app/requirements.txt pins."""
    pins = re.findall(r"^[\w.-]+==\S+", (ROOT / "app" / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    locked = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    entries = {entry.split(maxsplit=1)[0]: entry for entry in re.split(r"\n(?=\S)", locked.strip())}
    missing = [pin for pin in pins if pin not in entries]
    if missing:
        raise SystemExit(f"app/requirements.txt pins {missing}, which requirements/run.txt does not lock")
    return "\n".join(entries[pin] for pin in pins) + "\n"


def install(locked: str, folder: Path, wheels: Sequence[str]) -> None:
    """Put what *locked* names into *folder*: wheels only, each with a known hash, and none that is not named."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--only-binary", ":all:", *wheels, "--target", str(folder)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as requirements:
        requirements.write(locked)
        requirements.flush()
        command += ["--requirement", requirements.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip could not fetch the wheels of app/requirements.txt:\n{done.stderr.strip()}")


def stage(folder: Path) -> None:
    """Lay out our own files and Chalice's in *folder*, the core in place of the link to it."""
    _copy(ROOT / "app" / "app.py", folder / "app.py")
    for module in CHALICE_MODULES:
        _copy(Path(chalice.__file__).parent.parent / module, folder / module)
    for source in sorted((ROOT / "chalicelib").rglob("*.py")):
        _copy(source, folder / source.relative_to(ROOT))
    _copy(ROOT / WIDGET, folder / WIDGET)  # the edge serves it to pages


def pack(folder: Path, package: Path) -> None:
    """Write the zip of *folder*: the same bytes for the same files."""
    with zipfile.ZipFile(package, "w") as opened:
        for path in _packed(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # a plain file of Unix, readable by all
            opened.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def check(package: Path) -> None:
    """Stop unless the zip holds what it must, nothing it must not, and is small enough."""
    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise SystemExit(f"the package lacks {missing}")
    unwanted = [name for name in names if _unwanted(name)]
    if unwanted:
        raise SystemExit(f"the package must not hold {unwanted[:10]}; see app/requirements.txt and `stage`")
    if package.stat().st_size > MAX_BYTES:
        raise SystemExit(f"the package has {package.stat().st_size:,} bytes; at most {MAX_BYTES:,} are allowed")


def try_out(package: Path) -> str:
    """
    Let the package answer on a Python like the Lambda's, and say on which it did.

    Where there is none, its twin is tried: the same files, with the wheels for the Python that runs this.
    """
    python = find_python(LAMBDA)
    with tempfile.TemporaryDirectory() as folder:
        tried = package
        if python is None:
            tried = Path(folder) / "twin.zip"
            build(tried, OWN_WHEELS)
        with zipfile.ZipFile(tried) as opened:
            opened.extractall(Path(folder) / "task")
        answer_one_request(Path(folder) / "task", python or sys.executable)
    if python is not None:
        return f"answers on Python {LAMBDA}"
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"no Python {LAMBDA} here to try it on; the same files with wheels for Python {own} answer"


def find_python(wanted: str) -> str | None:
    """Give the path of a Python that is *wanted* (version, system, machine), or None: this one, or one on the PATH."""
    for name in (sys.executable, f"python{wanted.split()[0]}"):
        command = shutil.which(name)
        if command is None:
            continue
        # A command may be there and still not run: version managers leave such ones on the PATH.
        done = subprocess.run([command, "-c", _WHO], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.splitlines()[1] == wanted:
            return done.stdout.splitlines()[0]
    return None


def answer_one_request(folder: Path, python: str) -> None:
    """Let a bare *python*, with nothing but *folder* and the standard library, answer one event of API Gateway."""
    with tempfile.TemporaryDirectory() as data:
        behind = ("INGESTION", "RETRIEVAL", "GENERATION", "GATEWAY")
        services = {f"RAGSTONE_{name}_URL": "http://127.0.0.1:9" for name in behind}
        environment = {"PATH": os.defpath, "RAGSTONE_DATA_DIR": data, **services}
        command = [python, "-S", "-E", "-B", "-c", _PROBE]  # the working directory is the path, as in a Lambda
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the package does not answer GET /health:\n{done.stdout}{done.stderr}")


def _unwanted(name: str) -> bool:
    top = name.split("/")[0].removesuffix(".py")
    return (top in FORBIDDEN and name != WIDGET) or (top == "chalice" and name not in CHALICE_MODULES)


def _compare_with_another(package: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / package.name
        build(again)
        if again.read_bytes() != package.read_bytes():
            raise SystemExit("the package came out different when it was made a second time")


def _described(package: Path) -> str:
    with zipfile.ZipFile(package) as opened:
        files = len(opened.namelist())
    size, digest = package.stat().st_size, hashlib.sha256(package.read_bytes()).hexdigest()
    return f"{package.relative_to(ROOT)}: {size:,} bytes, {files} files, wheels for Python {LAMBDA}\nsha256 {digest}"


def _packed(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        cached = path.suffix == ".pyc" or "__pycache__" in name.parts
        # What pip writes about itself, and its commands, differ from one installation to the next.
        of_pip = name.parts[0] == "bin" or path.name in {"RECORD", "direct_url.json", "REQUESTED", "INSTALLER"}
        if path.is_file() and not cached and not of_pip:
            yield path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1:])
