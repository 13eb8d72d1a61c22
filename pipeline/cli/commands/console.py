"""`afluente console`: the pages for people, alone."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.output import example, print_line
from pipeline.errors import NotRunningError

commands = typer.Typer()


@commands.command(epilog=example("afluente console", "afluente console --port 9000"))
def console(
    *,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on. Without `access.sign_in` in afluente.yaml always 127.0.0.1."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8082,
) -> None:
    """Run the console in the foreground.

    `afluente up` runs one already; this is for a console of its own beside an installation that runs elsewhere. Who
    signs in, and how, stands under `access.sign_in` in afluente.yaml. Ctrl-C or SIGTERM stops it.
    """
    from pipeline.cli.terminal.connection import nothing_runs
    from pipeline.console.app import serve
    from pipeline.logs import configure_logging
    from pipeline.settings.loading import settings

    if sentence := nothing_runs():
        raise NotRunningError(sentence)
    known = settings()
    configure_logging(known.log_format)
    print_line(f"console http://{host}:{port}")
    if not serve(known, host=host, port=port):
        raise typer.Exit(1)
