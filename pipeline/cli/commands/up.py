"""`afluente up`: the whole system in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.terminal.output import example

commands = typer.Typer()


@commands.command(
    epilog=example("afluente up", "afluente up --data /var/lib/afluente --port 9000 --workers 4"),
)
def up(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder that keeps everything. Default: AFLUENTE_DATA, else .afluente")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the receiver; 0 takes a free one.")
    ] = 8080,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes for bulk work. Default: 2")] = 2,
) -> None:
    """Run the whole system in the foreground.

    Starts PostgreSQL, Redis, the workers, beat, Flower and the receiver; a database or broker given by
    AFLUENTE_DATABASE_URL or AFLUENTE_BROKER_URL is used instead of an embedded one. Without a destination in
    afluente.yaml it also starts a sandbox CRM and delivers there. Refuses settings that make no sense and warns, as
    `doctor` does, of what will not work. Prints `ready http://127.0.0.1:PORT` when leads can come. Ctrl-C or SIGTERM
    drains and stops.
    """
    from pipeline.health.start_checks import find_start_troubles
    from pipeline.settings.loading import data_folder
    from pipeline.supervisor.supervisor import run_up

    usual = data_folder(context.obj)
    raise typer.Exit(run_up(data, port, workers, look=find_start_troubles, usual=usual) or 0)
