"""The feedback component for chat pages: one file, for every page, and the hash that says that it is this one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from chalice.app import Chalice, Response

SCRIPT = "/widget/v1/ragstone-feedback.js"
INTEGRITY = "/widget/v1/integrity.json"
FILE = Path(__file__).resolve().parents[2] / "ui" / "static" / "ragstone-feedback.js"
"""In the checkout, in an installation and in the Lambda's package alike."""

_FOR_EVERY_PAGE = {"Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff"}
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_WHILE = "public, max-age=300"


def register_widget(app: Chalice) -> None:
    """Let *app* serve the component. It is no operation of the API: anybody may have the file."""

    @app.route(SCRIPT, name="widget_script")
    def script() -> Response:
        return _response(_text(), "text/javascript; charset=utf-8", _FOR_EVER)

    @app.route(INTEGRITY, name="widget_integrity")
    def published() -> Response:
        return _response(json.dumps({"ragstone-feedback.js": integrity()}), "application/json", _FOR_A_WHILE)


@cache
def integrity() -> str:
    """Give what a page puts into `integrity`, so that it runs this file or none."""
    return "sha384-" + base64.b64encode(hashlib.sha384(_text().encode()).digest()).decode()


@cache
def _text() -> str:
    return FILE.read_bytes().decode()


def _response(body: str, media_type: str, caching: str) -> Response:
    headers: Mapping[str, str] = {"Content-Type": media_type, "Cache-Control": caching, **_FOR_EVERY_PAGE}
    return Response(body, dict(headers), 200)
