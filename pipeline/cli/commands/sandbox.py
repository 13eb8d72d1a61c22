"""`afluente sandbox`: a CRM to rehearse with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.terminal.output import example

commands = typer.Typer()


@commands.command(
    epilog=example("afluente sandbox --port 8081", "afluente sandbox --faults status=500,rate=0.1,seconds=20")
)
def sandbox(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on, loopback only; 0 takes a free one.")
    ] = 8081,
    dialect: Annotated[str, typer.Option("--dialect", help="Which CRM's API to speak.")] = "salesforce",
    faults: Annotated[
        str, typer.Option("--faults", help="What to do wrong from the start: name=value,name=value, or JSON.")
    ] = "",
    state: Annotated[
        Path | None, typer.Option("--state", help="File that keeps the records. Default: in the data folder.")
    ] = None,
) -> None:
    """Run a sandbox CRM alone.

    Runs until Ctrl-C or SIGTERM. It speaks the CRM's API, and GET /_records, GET /_calls, POST /_faults and POST
    /_reset besides, these for programs of this account and for who brings sandbox_token of the data folder's
    credentials.json. Prints `ready http://127.0.0.1:PORT`.
    """
    from pipeline.settings.installation import sandbox_token
    from pipeline.settings.loading import settings

    if token := sandbox_token(settings().data):
        os.environ["SANDBOX_TOKEN"] = token
    kept = state or settings().data / "sandbox-alone.sqlite"
    kept.parent.mkdir(parents=True, exist_ok=True)
    # The sandbox takes this process's place, so signals and exit codes are its own.
    os.execv(  # noqa: S606 - a list of arguments, no shell wanted
        sys.executable,
        [
            *(sys.executable, "-m", "connectors.sandbox", "--port", str(port), "--dialect", dialect),
            *("--state", str(kept), "--faults", faults),
        ],
    )
