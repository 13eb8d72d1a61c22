"""`afluente source connect` and `disconnect`: a source lets us in because its owner agreed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import AsJson, example, print_facts, print_json, print_line, print_note, print_table
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.inspection.access.connections import Connecting

Brand = Annotated[str | None, typer.Option("--brand", help="Of which brand, if there are several.")]


def connect(
    *,
    name: Annotated[str | None, typer.Argument(help="Which source.")] = None,
    brand: Brand = None,
    listen: Annotated[
        bool, typer.Option("--listen", help="Take the browser's answer here: it must run on this machine.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Only show who is connected, and until when.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a source let us in.

    Prints an address. Open it in any browser, on any machine, as somebody who may agree for the account. The browser is
    then led to an address that need not exist: paste it here, the whole of it. The token is kept sealed and renewed by
    itself; what waited at the source goes on. `--status` shows how each stands, and exits 1 if one is not connected.
    """
    from pipeline.inspection.access import connections

    if status:
        _show_status(name, as_json=as_json)
        return
    if name is None:
        raise UsageError("name the source that is to be connected, or give --status")
    with installation():
        connecting = connections.begin_connecting(name, brand)
        connected = connections.finish_connecting(connecting, _answer_to(connecting, is_listening=listen))
    if as_json:
        print_json(connected)
    else:
        print_facts(
            {
                "connected": connected.access.source,
                "brand": connected.access.brand,
                "scopes": connected.access.scopes,
                "token until": connected.access.expires_at,
            },
            indent=0,
        )
    if not connected.is_renewed:
        print_note(
            "the source gave nothing to renew this token with: when it ends, this command is needed again. Many sources"
            " give it only at the first consent: take the access back there, then connect anew"
        )


def disconnect(
    *,
    name: Annotated[str, typer.Argument(help="Which source.")],
    brand: Brand = None,
) -> None:
    """Forget what a source let us in by.

    Its leads stay there until it is connected again. What it gave counts on until the account's owner takes it back in
    the source's own settings.
    """
    from pipeline.inspection.access import connections

    with installation():
        was_there = connections.disconnect(name, brand)
    print_line(f"{name} is disconnected" if was_there else f"{name} was not connected")
    if was_there:
        print_note("take the access back at the source too: there it still counts")


CONNECT = example(
    "afluente source connect acme_ads", "afluente source connect acme_ads --listen", "afluente source connect --status"
)
DISCONNECT = example("afluente source disconnect acme_ads")


def _answer_to(connecting: Connecting, *, is_listening: bool) -> str:
    """What the browser was led to: taken here, or pasted."""
    from pipeline.inspection.access.redirects import Redirects

    if is_listening:
        with Redirects(connecting.redirect_url, state=connecting.state) as redirects:
            _print_address(connecting)
            print_note(f"waiting for the browser at {connecting.redirect_url} …")
            return redirects.wait()
    _print_address(connecting)
    print_note("then paste the address that the browser is led to, though it may show an error there:")
    return typer.get_text_stream("stdin").readline()


def _print_address(connecting: Connecting) -> None:
    print_note("open this address and agree:")
    print_note(connecting.address)


def _show_status(name: str | None, *, as_json: bool) -> None:
    from pipeline.inspection.access import connections

    with installation():
        states = connections.read_connections(name)
    if as_json:
        print_json(states)
    else:
        print_table(
            ("source", "brand", "access", "scopes", "connected", "token until", "last error or what to do"),
            [
                (
                    state.source,
                    state.brand,
                    state.state,
                    state.scopes,
                    state.connected_at,
                    state.expires_at,
                    state.remedy or state.last_error,
                )
                for state in states
            ],
            whole=["last error or what to do"],
        )
    if any(state.remedy for state in states):
        raise typer.Exit(1)
