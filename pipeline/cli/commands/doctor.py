"""`afluente doctor`: is everything set up as it must be."""

from __future__ import annotations

import typer

from pipeline.cli.terminal.output import AsJson, example, print_json, print_line

commands = typer.Typer()


@commands.command(epilog=example("afluente doctor", "afluente doctor --json"))
def doctor(*, as_json: AsJson = False) -> None:
    """Check the whole installation.

    Settings, keys, connections, credentials, mappings against what CRMs tell of their fields, clocks, versions: names
    what fails and its remedy. Calls each CRM a few times and changes nothing. Exit 1 if a check fails.
    """
    from msgspec.structs import asdict

    from connectors.kit.folders import overridden_files
    from pipeline.cli.terminal.connection import keep_logs_quiet
    from pipeline.health.doctor import run_checks

    keep_logs_quiet()
    checks = run_checks()
    is_well = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": is_well, "checks": [asdict(check) for check in checks], "overridden": overridden_files()})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print_line(f"{'ok  ' if check.ok else 'FAIL'}  {check.name.ljust(width)}  {check.detail}")
            if check.remedy:
                print_line(f"{'':{width + 8}}remedy: {check.remedy}")
        print_line("All is well." if is_well else f"{sum(not check.ok for check in checks)} to settle.")
    if not is_well:
        raise typer.Exit(1)
