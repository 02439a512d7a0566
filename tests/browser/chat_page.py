"""A chat page of another origin than the platform whose answers it shows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

from tests.e2e.running import RunningPlatform

PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>Chat</title>
<script src="{platform}/widget/v1/ragstone-feedback.js" crossorigin defer integrity="{integrity}"></script>
<script src="/page.js" defer></script></head>
<body><main><h1>Chat</h1><p>Everybody has 30 days of leave.</p>
<ragstone-feedback token="{token}"></ragstone-feedback></main></body></html>"""
SCRIPT = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
window.events = [];
document.addEventListener("ragstone-feedback", (event) => window.events.push(event.detail));
"""


@dataclass
class Platform:
    """A running platform with one document to ask about."""

    running: RunningPlatform
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Call the API, as the admin unless a *token* is given."""
        headers = {"Authorization": f"Bearer {token or self.running.key}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        reply = self.http.request(method, f"{self.running.url}/v1{path}", body=sent, headers=headers)
        assert reply.status < 300, reply.data
        return reply.json()

    def answer(self) -> dict[str, Any]:
        """Ask something, and give the answer."""
        answer: dict[str, Any] = self.call("POST", "/query", {"question": "How much leave?", "index": "handbook"})
        return answer

    def feedback(self, run_id: str, *, retracted: bool = False) -> list[dict[str, Any]]:
        """Give what is stored of a run's feedback."""
        found: list[dict[str, Any]] = self.call("GET", f"/feedback?run={run_id}&retracted={retracted}")["items"]
        return found


class ChatServer(ThreadingHTTPServer):
    """Serves chat pages; as another port it is another origin than the platform."""

    daemon_threads = True

    def __init__(self, platform: Platform) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.platform = platform.running.url
        self.integrity = platform.http.request("GET", f"{self.platform}/widget/v1/integrity.json").json()
        self.pages: dict[str, str] = {}

    @property
    def origin(self) -> str:
        """Where its pages are, for those who may send feedback."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def policy(self) -> str:
        """The strictest policy under which a page can show the component at all."""
        return (
            f"default-src 'none'; script-src 'self' {self.platform}; connect-src {self.platform}; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )

    def show(self, token: str, language: str = "en") -> str:
        """Make a page that shows an answer's feedback, and give its path."""
        path = f"/{len(self.pages)}"
        self.pages[path] = PAGE.format(
            platform=self.platform,
            token=token,
            language=language,
            integrity=self.integrity["ragstone-feedback.js"],
        )
        return path


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        body, kind = (page, "text/html") if page else (SCRIPT, "text/javascript")
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Security-Policy", self.server.policy)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
