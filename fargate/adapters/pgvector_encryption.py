"""How connections to PostgreSQL are encrypted, by the names that every client of it has for that."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from chalicelib.errors import ConfigurationError

RDS_ROOTS = Path(__file__).with_name("rds_roots.pem")
"""Who vouches for databases of Amazon RDS and Aurora: no operating system knows them."""
_LOCAL = ("", "localhost", "127.0.0.1", "::1")
_MODES = ("disable", "require", "verify-ca", "verify-full")


def encryption(host: str, said: Mapping[str, str]) -> ssl.SSLContext | Literal[False]:
    """
    Encrypt to any *host* but this one; what the URL *said* of ``sslmode`` and ``sslrootcert`` goes before that.

    ``verify-full`` makes sure which host it is, ``verify-ca`` who vouches for it. ``sslrootcert`` is a file or ``rds``.
    Raises `ConfigurationError` for another mode, or a file that cannot be read.
    """
    mode = said.get("sslmode", "disable" if host in _LOCAL or host.startswith("/") else "require")
    if mode not in _MODES:
        raise ConfigurationError("RAGSTONE_POSTGRES_URL", f"has an sslmode that is none of {', '.join(_MODES)}")
    if mode == "disable":
        return False
    context = _trusting(said.get("sslrootcert"))
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(roots: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=RDS_ROOTS if roots == "rds" else roots)
    except OSError as error:  # an `ssl.SSLError` is one too
        raise ConfigurationError(
            "RAGSTONE_POSTGRES_URL", "has an sslrootcert that is no file of certificates"
        ) from error
    # Python 3.13 also asks for extensions that say nothing about trust; PostgreSQL's own library does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
