"""OpenVINO without its telemetry: the one place that imports it."""

from __future__ import annotations

import sys
from types import ModuleType

from chalicelib.errors import ConfigurationError


def openvino_runtime() -> ModuleType:
    """
    Give the module `openvino`; raises `ConfigurationError` where it is not installed.

    OpenVINO 2026.4 reports every import to Google Analytics, from a forked copy of the process, unless a file in the
    user's home forbids it. Where `openvino_telemetry` cannot be imported, it uses a stub of its own.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python marks what must not be imported
    try:
        import openvino
    except ImportError as error:
        raise ConfigurationError(
            "RAGSTONE_EMBEDDING_URL",
            "OpenVINO is not installed (pip install 'ragstone[services]'; it has wheels for x86-64 and aarch64). "
            "On a machine without it, set this to the address of an embedding service",
        ) from error
    module: ModuleType = openvino
    return module
