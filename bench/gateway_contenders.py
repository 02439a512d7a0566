"""Who is measured by `bench.gateway`: each starts, is called, and stops."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import rivals
from bench.http_load import Spent, Target, drive
from chalicelib.bootstrap import core
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.budgets import Budget, BudgetScope, Period
from chalicelib.domain.identifiers import TenantId
from chalicelib.repositories.budgets import Budgets
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.settings import Settings
from fargate.standalone.first_start import ensure_admin_key

START_S = 120.0
POLL_S = 0.02
DIRECT, TRANSLATED = "direct", "translated"
MUCH_USD_MICROS = 10**12

_ROUTES = [
    {"name": name, "kind": "chat", "deployments": [{"model": f"{name}/gpt-4o-mini"}]} for name in (DIRECT, TRANSLATED)
]


class Contender(Protocol):
    """Whoever answers calls of a model."""

    def call(self, at_once: int, seconds: float) -> Spent:
        """Call it for so long."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A process that is called over HTTP; *ready_s* is how long it took to its first good answer."""

    process: subprocess.Popen[str]
    target: Target
    ready_s: float

    def call(self, at_once: int, seconds: float) -> Spent:
        """See `Contender.call`."""
        return asyncio.run(drive(self.target, at_once, seconds=seconds))

    def resident_mib(self) -> float:
        """Say how much memory it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)

    def cpu_s(self) -> float:
        """Say how much processor time it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Program:
    """A process that makes the calls itself."""

    process: subprocess.Popen[str]

    def call(self, at_once: int, seconds: float) -> Spent:
        """See `Contender.call`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{at_once} {seconds}\n")
        self.process.stdin.flush()
        return Spent(**json.loads(self.process.stdout.readline()))


class Place:
    """The machine as it is divided up: who is measured has a core of its own, all others share the next."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        self._opened = opened
        cores = sorted(os.sched_getaffinity(0))
        self.measured, self.others = ({cores[0]}, set(cores[1:2])) if len(cores) > 1 else (set(cores), set(cores))

    def upstream(self) -> Server:
        """Start the provider that answers at once."""
        port = free_port()
        command = [sys.executable, "-m", "bench.instant_provider", str(port)]
        return self._server("upstream", command, Target(_url(port), "gpt-4o-mini"), on=self.others)

    def floor(self, upstream: str) -> Server:
        """Start what passes calls through and does nothing else."""
        port = free_port()
        command = [sys.executable, "-m", "bench.gateway_programs", "floor", str(port), upstream]
        return self._server("floor", command, Target(_url(port), "gpt-4o-mini"))

    def ragstone(self, upstream: str) -> tuple[Server, Server]:
        """Start our gateway as users do, and give it as it is called directly and by way of LiteLLM."""
        port, data = free_port(), self._folder / "data"
        providers = {
            DIRECT: {"base_url": upstream, "needs_key": False, "prices": "openai"},
            TRANSLATED: {"kind": "hosted_vllm", "base_url": upstream, "needs_key": False, "prices": "openai"},
        }
        ours = {
            "RAGSTONE_DATA_DIR": str(data),
            "RAGSTONE_PORT": str(port),
            "RAGSTONE_ROUTES": json.dumps(_ROUTES),
            "RAGSTONE_PROVIDERS": json.dumps(providers),
        }
        key = _stocked(ours)
        url = f"http://127.0.0.1:{port}/gateway/v1"
        command = [sys.executable, "-m", "fargate", "gateway"]
        direct = self._server("ragstone", command, Target(url, DIRECT, key), rivals.offline() | ours)
        target = Target(url, TRANSLATED, key)
        return direct, Server(direct.process, target, _until_good(direct.process, target) + direct.ready_s)

    def proxy(self, python: Path, upstream: str) -> Server:
        """Start LiteLLM's proxy: a master key, no database, so neither budgets nor a ledger."""
        port, key = free_port(), f"sk-{secrets.token_hex(16)}"
        params = {"model": "openai/gpt-4o-mini", "api_base": upstream, "api_key": "none"}
        config = self._folder / "proxy.json"  # JSON is YAML
        listed = {"model_list": [{"model_name": "chat", "litellm_params": params}]}
        config.write_text(json.dumps(listed | {"general_settings": {"master_key": key}}), encoding="utf-8")
        command = [str(python.with_name("litellm")), "--config", str(config), "--port", str(port)]
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_TELEMETRY": "False"}
        command += ["--host", "127.0.0.1", "--telemetry", "False"]
        return self._server("proxy", command, Target(_url(port), "chat", key), rivals.offline() | quiet)

    def program(self, name: str, upstream: str) -> Program:
        """Start what calls in its own process."""
        command = [sys.executable, "-m", "bench.gateway_programs", name, upstream]
        process = self._started(name, command, rivals.offline(), self.measured, stdin=subprocess.PIPE)
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{name} did not start; {self._said(name)}")
        return Program(process)

    def _server(
        self,
        name: str,
        command: Sequence[str],
        target: Target,
        environ: Mapping[str, str] | None = None,
        *,
        on: set[int] | None = None,
    ) -> Server:
        process = self._started(name, command, environ or rivals.offline(), on or self.measured)
        try:
            return Server(process, target, _until_good(process, target))
        except RuntimeError as error:
            raise RuntimeError(f"{name}: {error}; {self._said(name)}") from error

    def _started(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], on: set[int], stdin: int | None = None
    ) -> subprocess.Popen[str]:
        log = self._opened.enter_context((self._folder / f"{name}.log").open("w", encoding="utf-8"))
        out = subprocess.PIPE if stdin else log
        process = subprocess.Popen(command, env=dict(environ), stdin=stdin, stdout=out, stderr=log, text=True)
        os.sched_setaffinity(process.pid, on)
        self._opened.callback(_stop, process)
        return process

    def _said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-2_000:]


@contextmanager
def laid_out(folder: Path) -> Iterator[Place]:
    """Give the place, with this process on the core of those that are not measured; all are stopped in the end."""
    with ExitStack() as opened:
        place = Place(folder, opened)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, place.others)
        opened.callback(os.sched_setaffinity, 0, before)
        yield place


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def _stocked(environ: Mapping[str, str]) -> str:
    """Make an API key, and budgets that have room for everything; give the key."""
    settings = Settings.from_env(environ)
    tenant = Tenant(TenantId(settings.tenant))
    with act_for(tenant), core(settings) as base:
        for scope in (BudgetScope.TENANT, BudgetScope.KEY):
            Budgets(base.table).create(tenant, Budget(scope.value, scope, Period.MONTH, MUCH_USD_MICROS))
        return ensure_admin_key(settings.data_dir, tenant, ApiKeys(base.table), base.clock).credential


def _until_good(process: subprocess.Popen[str], target: Target) -> float:
    """Call until the first good answer, and say how long that took."""
    began = time.perf_counter()
    while time.perf_counter() - began < START_S and process.poll() is None:
        try:
            if asyncio.run(drive(target, 1, calls=1)).seconds:
                return time.perf_counter() - began
        except OSError:
            pass
        time.sleep(POLL_S)
    raise RuntimeError(f"no good answer within {START_S:g} s (exit status {process.poll()})")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
