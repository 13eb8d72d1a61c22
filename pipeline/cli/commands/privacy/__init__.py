"""`afluente privacy …`: what people may ask for by law, and how long anything is kept."""

from __future__ import annotations

import typer

from pipeline.cli.commands.privacy import erase, export, exposure, hold, register, replay, restrict, suppress, sweep

commands = typer.Typer(help="What people may ask for by law, and how long anything is kept.", no_args_is_help=True)
commands.add_typer(hold.commands, name="hold")
commands.command("register", epilog=register.REGISTER)(register.register)
commands.command("restrict", epilog=restrict.RESTRICT)(restrict.restrict)
commands.command("erase", epilog=erase.ERASE)(erase.erase)
commands.command("approve", epilog=erase.APPROVE)(erase.approve)
commands.command("status", epilog=erase.STATUS)(erase.status)
commands.command("confirm", epilog=erase.CONFIRM)(erase.confirm)
commands.add_typer(erase.certificate_commands, name="certificate")
commands.command("export", epilog=export.EXPORT)(export.export)
commands.command("suppress", epilog=suppress.SUPPRESS)(suppress.suppress)
commands.command("exposure", epilog=exposure.EXPOSURE)(exposure.exposure)
commands.command("replay-ledger", epilog=replay.REPLAY)(replay.replay)
commands.command("sweep", epilog=sweep.SWEEP)(sweep.sweep)
