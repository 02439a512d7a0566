"""How the command finds the platform and its key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer

from chalicelib.errors import ConfigurationError

if TYPE_CHECKING:  # pydantic and urllib3 take their time, and `ragstone --help` needs neither
    from pydantic import BaseModel

    from chalicelib.client.api import Client
    from chalicelib.settings import Settings

ADMIN_KEY_FILE = "admin.key"

Url = Annotated[str | None, typer.Option("--url", help="The platform's address.  [env var: RAGSTONE_URL]")]
Key = Annotated[
    str | None,
    typer.Option("--key", help="API key.  [env var: RAGSTONE_API_KEY; else admin.key of the data folder]"),
]

_HERE = frozenset({"127.0.0.1", "localhost", "::1"})

ModelT = TypeVar("ModelT", bound="BaseModel")


def read_settings() -> Settings:
    """Give the settings. Raises `ConfigurationError`."""
    from chalicelib.settings import Settings

    return Settings.from_env(os.environ)


def connect(url: str | None, key: str | None) -> Client:
    """Give a client, to be closed. What is not given comes from the settings. Raises `ConfigurationError`."""
    from chalicelib.client.api import Client

    settings = read_settings()
    address = url or settings.base_url
    if urlsplit(address).scheme not in {"http", "https"}:
        raise ConfigurationError("RAGSTONE_URL", f"{address!r} is not an http address, such as http://127.0.0.1:8080.")
    ours = url is None and settings.url is None
    return Client(address, key or _key(settings, local=ours or urlsplit(address).hostname in _HERE))


def checked(kind: type[ModelT], **fields: Any) -> ModelT:
    """Make a request of what was typed. Raises typer's `BadParameter` for what the API would refuse anyway."""
    from pydantic import ValidationError

    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise typer.BadParameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _key(settings: Settings, *, local: bool) -> str:
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    path = settings.data_dir / ADMIN_KEY_FILE
    if not local:  # the key of this machine is nobody else's business
        raise ConfigurationError("RAGSTONE_API_KEY", "not set; another machine needs a key of its own (or give --key).")
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        missing = f"not set, and {path} cannot be read; `ragstone up` makes it on its first start."
        raise ConfigurationError("RAGSTONE_API_KEY", missing) from None
