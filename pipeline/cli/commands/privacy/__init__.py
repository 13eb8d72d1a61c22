"""`afluente privacy …`: what people may ask for by law, and how long anything is kept."""

from __future__ import annotations

import typer

from pipeline.cli.commands.privacy import hold, register, restrict

commands = typer.Typer(help="What people may ask for by law, and how long anything is kept.", no_args_is_help=True)
commands.add_typer(hold.commands, name="hold")
commands.command("register", epilog=register.REGISTER)(register.register)
commands.command("restrict", epilog=restrict.RESTRICT)(restrict.restrict)
