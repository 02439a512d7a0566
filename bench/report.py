"""How figures are printed: one JSON line each, with what is needed to read them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

SEED = 20_261_122

# Instructions that decide how fast a quantised model runs; without any of them it is several times slower.
_FAST = {"avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"}


def machine() -> dict[str, Any]:
    """Say where and with what a figure was measured."""
    packages = ("openvino", "numpy", "tokenizers", "pydantic", "chalice", "fastapi", "uvicorn")
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "cpu": _cpuinfo("model name"),
        "fast_int8_and_bf16": sorted(_FAST & set(_cpuinfo("flags").split())),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
        "seed": SEED,
        **{name: version(name) for name in packages},
    }


def row(what: str, **figures: Any) -> None:
    """Print one row of figures."""
    print(json.dumps({"what": what, **figures}), flush=True)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Give p50, p95 and p99 of *seconds*, in milliseconds, as nearest ranks."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    return {"p50_ms": at(0.50), "p95_ms": at(0.95), "p99_ms": at(0.99)}


def _cpuinfo(field: str) -> str:
    """Give a field of Linux's description of the first processor; empty elsewhere."""
    source = Path("/proc/cpuinfo")
    lines = source.read_text(encoding="ascii", errors="replace").splitlines() if source.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
