"""`afluente keys …`: keys of programs, made, looked at, revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.commands.keys import sealing
from pipeline.cli.guard import who_types
from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.moments import parse_expiry
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table

if TYPE_CHECKING:
    from pipeline.store.service_keys.keys import StoredKey

commands = typer.Typer(help="Keys: of programs, and what seals personal data.", no_args_is_help=True)

commands.add_typer(sealing.commands)
Why = Annotated[str | None, typer.Option("--why", help="The reason, kept in the audit log. No personal data.")]


@commands.command(
    epilog=example(
        "afluente keys create website --role ingest --brand casa --expires 365d",
        "afluente keys create reports --scope reports:read --scope leads:status --network 203.0.113.0/24",
        "afluente keys create ana-laptop --role operator --expires 30d",
    )
)
def create(
    *,
    name: Annotated[str, typer.Argument(help="What uses it: a program, a machine.")],
    role: Annotated[
        str | None, typer.Option("--role", help="ingest, viewer, operator, engineer, privacy or admin.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may do, as leads:post. May be repeated.")
    ] = None,
    brand: Annotated[
        list[str] | None, typer.Option("--brand", help="Only this brand. May be repeated. Default: all.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only this source. May be repeated. Default: all.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option("--network", help="Only from this address or network. May be repeated. Default: everywhere."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="WHEN", help="90d, 2w or a day, 2027-03-01. Default: never.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once.

    What is kept is a digest: a key that is lost is revoked, and another one made. Several keys may have one name, so
    that one takes the other's place without a pause.
    """
    from pipeline.service_keys.keys import create_key
    from pipeline.settings.loading import settings

    until = None if expires is None else parse_expiry("--expires", expires, datetime.now(UTC))
    with installation():
        made = create_key(
            settings(),
            name,
            by=who_types(),
            role=role,
            scopes=scope or (),
            brands=brand or (),
            sources=source or (),
            networks=network or (),
            expires_at=until,
        )
    if as_json:
        print_json({"id": made.key_id, "key": made.key, "name": name, "expires_at": until})
        return
    print_line(made.key)
    print_note(f"the key {made.key_id} is shown this once; `afluente keys revoke {made.key_id}` ends it")


@commands.command("list", epilog=example("afluente keys list", "afluente keys list --all --json"))
def list_stored(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are revoked or expired.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the keys there are, without the keys themselves.

    Keys of AFLUENTE_API_KEYS are not among them.
    """
    from pipeline.service_keys.keys import list_keys

    with installation():
        stored = list_keys()
    rows = [_row(key) for key in stored if everything or _state(key) == "live"]
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_line("There is none: `afluente keys create` makes one.")
        return
    print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


@commands.command(epilog=example("afluente keys revoke 4f7k2q9d --why 'left in a repository'"))
def revoke(
    *,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id in `afluente keys list`, or in the key.")],
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """End a key for good.

    Running receivers refuse it within seconds.
    """
    from pipeline.service_keys.keys import revoke_key

    with installation():
        revoked = revoke_key(key_id, why)
    if as_json:
        print_json({"revoked": revoked.key_id, "name": revoked.name})
    else:
        print_line(f"revoked {revoked.key_id} ({revoked.name})")


def _row(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "name": key.name,
        "state": _state(key),
        "role": key.role,
        "scopes": list(key.scopes),
        "brands": list(key.brands),
        "sources": list(key.sources),
        "networks": list(key.networks),
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "last_used_on": None if key.last_used_on is None else key.last_used_on.isoformat(),
    }


def _state(key: StoredKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= datetime.now(UTC) else "live"
