"""`ragstone keys`: make, list and revoke API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from fargate.cli.connection import Key, Url, checked, connect
from fargate.cli.console import note, say, table

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="What it is for.")]
Roles = Annotated[list[str], typer.Option("--role", help="reader, editor, engineer or admin; may be repeated.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A document group it may read; may be repeated.")]
Indexes = Annotated[list[str] | None, typer.Option("--index", help="Narrow it to this index; may be repeated.")]
Days = Annotated[int | None, typer.Option("--expires-days", min=1, help="Let it expire after so many days.")]


@app.command("create")
def create(
    name: Name,
    role: Roles = ["reader"],  # noqa: B006  typer reads it and never changes it
    group: Groups = None,
    index: Indexes = None,
    expires_days: Days = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make an API key and show its secret, this once."""
    from chalicelib.contracts.identities import ApiKeyCreate

    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    request = checked(
        ApiKeyCreate, name=name, roles=role, groups=group or [], indexes=index or None, expires_at=expires_at
    )
    with connect(url, key) as client:
        made = client.create_api_key(request)
    note(f"Made {made.key.key_id}. Keep the next line; it cannot be shown again.")
    say(made.secret)


@app.command("list")
def list_keys(url: Url = None, key: Key = None) -> None:
    """List the API keys."""
    with connect(url, key) as client:
        rows = [
            [each.key_id, each.name, ", ".join(each.roles), _state(each.revoked_at, each.expires_at), each.created_by]
            for each in client.api_keys()
        ]
    table("", ["id", "name", "roles", "state", "made by"], rows)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")], url: Url = None, key: Key = None
) -> None:
    """End an API key's life."""
    with connect(url, key) as client:
        revoked = client.revoke_api_key(key_id)
    say(f"Revoked {revoked.key_id} ({revoked.name}).")


def _state(revoked_at: datetime | None, expires_at: datetime | None) -> str:
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d}"
    return "valid" if expires_at is None else f"until {expires_at:%Y-%m-%d}"
