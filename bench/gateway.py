"""
The gateway against an upstream that answers at once, beside LiteLLM's SDK, Router and proxy, in one run.

`python -m bench gateway`, or by itself (`python -m bench.gateway`) with `--environment FOLDER`, which keeps the
environment that the proxy is installed into (0.7 GB, from the package index, by name and version); without one it is
made anew, and left out, with the reason, where it cannot be. Everybody is called 1, 16 and 64 at a time, by turns,
*rounds* times. *added* is what a call takes longer than at the upstream itself, called by as many at once. Ours keeps
its limits, two budgets and its ledger in SQLite, as users run it; the proxy has no database, so neither. Who is
measured has one core; upstream and callers share another.

`--calls 100000` makes so many calls directly, a tenth as many by way of LiteLLM, and prints how much memory is held.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import report, rivals
from bench.gateway_contenders import Contender, Place, Server, laid_out
from bench.http_load import Spent, drive

PACKAGES = {"litellm[proxy]": "1.106.2"}
AT_ONCE = (1, 16, 64)
SECONDS = 2.0
ROUNDS = 3
WARM_UP_S = 1.0
UPSTREAM, PROXY = "upstream", "LiteLLM's proxy"
DIRECT, TRANSLATED = "ragstone, direct", "ragstone, by LiteLLM"
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for everybody at each number of calls at once, and how ours compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each is called in a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--at-once", type=int, nargs="+", default=AT_ONCE)
    parser.add_argument("--only-ours", action="store_true", help="without LiteLLM's SDK, Router and proxy")
    parser.add_argument("--calls", type=int, help="measure memory over so many calls instead")
    parser.add_argument("--environment", type=Path, help="a folder that keeps the proxy's environment")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, laid_out(Path(folder)) as place:
        if options.calls:
            _memory(place, options.calls)
            return
        contenders = _contenders(place, options.environment or Path(folder) / "environment", options.only_ours)
        spent = _measured(contenders, options.at_once, options.rounds, options.seconds)
    _print(spent, options.at_once)


def _contenders(place: Place, environment: Path, only_ours: bool) -> dict[str, Contender]:
    upstream = place.upstream()
    url = upstream.target.url
    direct, translated = place.ragstone(url)
    contenders: dict[str, Contender] = {
        UPSTREAM: upstream,
        "pass-through": place.floor(url),
        DIRECT: direct,
        TRANSLATED: translated,
    }
    if not only_ours:
        contenders |= {"LiteLLM's SDK": place.program("sdk", url), "LiteLLM's Router": place.program("router", url)}
        if proxy := _proxy(place, environment, url):
            contenders[PROXY] = proxy
    for name, server in contenders.items():
        if isinstance(server, Server):
            report.row("gateway.start", name=name, ready_s=round(server.ready_s, 2), resident_mib=server.resident_mib())
    return contenders


def _proxy(place: Place, environment: Path, upstream: str) -> Server | None:
    try:
        return place.proxy(rivals.environment(environment, PACKAGES), upstream)
    except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
        report.row("gateway.skipped", name=PROXY, reason=str(error)[-300:])
        return None


def _measured(
    contenders: Mapping[str, Contender], at_once: Sequence[int], rounds: int, seconds: float
) -> dict[tuple[str, int], Spent]:
    """Call everybody by turns, each round the other way round."""
    spent = {(name, number): Spent() for number in at_once for name in contenders}
    for contender in contenders.values():
        contender.call(1, WARM_UP_S)
    for turn in range(rounds):
        for number in at_once:
            for name in list(contenders)[:: -1 if turn % 2 else 1]:
                spent[name, number].add(contenders[name].call(number, seconds))
    return spent


def _print(spent: Mapping[tuple[str, int], Spent], at_once: Sequence[int]) -> None:
    rows = {place: _figures(one, spent[UPSTREAM, place[1]]) for place, one in spent.items()}
    for (name, number), figures in rows.items():
        load = round(os.getloadavg()[0], 2)
        report.row("gateway", name=name, at_once=number, **figures, load_1min=load)
    for number in at_once:
        proxy = rows.get((PROXY, number))
        for name in (DIRECT, TRANSLATED) if proxy else ():
            report.row("gateway.ratio", name=name, at_once=number, **_ratios(rows[name, number], proxy or {}))


def _figures(spent: Spent, upstream: Spent) -> dict[str, Any]:
    bare = report.percentiles_ms(upstream.seconds)
    added = {f"added_{name}": round(value - bare[name], 2) for name, value in _percentiles(spent).items()}
    return {"n": len(spent.seconds), "wrong": spent.wrong, "per_s": round(spent.per_s, 1), **added}


def _percentiles(spent: Spent) -> dict[str, float]:
    return report.percentiles_ms(spent.seconds) if spent.seconds else {}


def _ratios(ours: Mapping[str, Any], proxy: Mapping[str, Any]) -> dict[str, float]:
    added = {name: round(ours[name] / proxy[name], 3) for name in proxy if name.startswith("added_") and proxy[name]}
    return {"per_s": round(ours["per_s"] / proxy["per_s"], 2), **added}


def _memory(place: Place, calls: int) -> None:
    direct, translated = place.ragstone(place.upstream().target.url)
    for name, server, number in ((DIRECT, direct, calls), (TRANSLATED, translated, calls // 10)):
        report.row("gateway.memory", name=name, calls=0, resident_mib=server.resident_mib())
        done, wrong, before_s = 0, 0, server.cpu_s()
        for share in SHARES:
            spent = asyncio.run(drive(server.target, 16, calls=round(share * number) - done))
            done, wrong = round(share * number), wrong + spent.wrong
            cpu_ms = round(1_000 * (server.cpu_s() - before_s) / done, 3)
            held = server.resident_mib()
            report.row("gateway.memory", name=name, calls=done, wrong=wrong, resident_mib=held, cpu_ms_per_call=cpu_ms)


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main(sys.argv[1:])
