"""`afluente init`: a folder of a company's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.terminal.output import AsJson, example, print_json, print_line

commands = typer.Typer()


@commands.command(epilog=example("afluente init leads", "cd leads", "afluente up"))
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or one that holds none of this yet.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a folder of your own.

    For settings, connectors, mappings and samples, under your own version control; they count before the shipped ones.
    Nothing is overwritten: exit 2 if something of it is there already.
    """
    from pipeline.authoring.company_folder import make_company_folder

    written = make_company_folder(folder)
    if as_json:
        print_json({"folder": folder, "files": written})
        return
    for path in written:
        print_line(f"wrote {folder / path}")
    print_line(f"Next: cd {folder} && afluente up")
