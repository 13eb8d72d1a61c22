"""`afluente mapping …`: are the mappings sound, and what do they make of a payload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.output import AsJson, CommandError, example, print_json, print_line, print_table

commands = typer.Typer(help="What a source's fields are called here, and a CRM's.", no_args_is_help=True)


@commands.command("check", epilog=example("afluente mapping check"))
def check_mappings(*, as_json: AsJson = False) -> None:
    """Check every mapping.

    Of sources and destinations: says what is wrong, in which file and where, and which fields of the samples nobody has
    mapped, kept or ignored. Exit 1 if there is anything to settle.
    """
    problems = _check_all()
    if as_json:
        print_json({"ok": not any(problems.values()), "mappings": problems})
    else:
        for path, found in problems.items():
            print_line(f"{path}: {'ok' if not found else f'{len(found)} to settle'}")
            for problem in found:
                print_line(f"  {problem}")
    if any(problems.values()):
        raise typer.Exit(1)


@commands.command(
    "preview",
    epilog=example(
        "afluente mapping preview web_form samples/web_form/typical.json",
        "afluente mapping preview datablist leads.csv --rows 3 --json",
    ),
)
def preview(
    *,
    slug: Annotated[str, typer.Argument(help="Source whose mapping is to be tried.")],
    file: Annotated[Path, typer.Argument(help="A payload as the source sends it, or a file of rows.")],
    rows: Annotated[int, typer.Option("--rows", min=1, help="Show at most this many records.")] = 1,
    brand: Annotated[
        str | None, typer.Option("--brand", help="Brand whose region applies, if there are several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the mapping makes of a file.

    Source path, raw value, canonical field, normalized value. Nothing is stored. A value that nobody has decided about
    appears as `custom`.
    """
    from itertools import islice

    from pipeline.cli.trials import read_trials

    shown = list(islice(read_trials(file, slug, brand), rows))
    if as_json:
        print_json([trial.as_json() for trial in shown])
    for number, trial in enumerate([] if as_json else shown, start=1):
        print_line(f"record {number} ({trial.mapping.version}): {trial.verdict}")
        print_fields(trial.fields())
    if not shown:
        raise CommandError(f"{file} holds no record")
    if any(trial.is_parked for trial in shown):
        raise typer.Exit(1)


def print_fields(fields: list[dict[str, Any]]) -> None:
    """The table of fields before and after."""
    from pipeline.cli.field_rows import COLUMNS

    print_table(COLUMNS, [[row[column] for column in COLUMNS] for row in fields])


def _check_all() -> dict[str, list[str]]:
    """Problems by path below the root, of every mapping there is."""
    from connectors.kit.conformance.mapping_checks import (
        every_field_is_decided,
        every_mapped_path_occurs,
        mapping_is_sound,
    )
    from connectors.kit.registry import sources
    from pipeline.errors import ConfigurationError
    from pipeline.source_cases import make_case
    from pipeline.stages.mapping import load_destination_mapping
    from pipeline.stages.vocabularies import MAPPINGS

    problems: dict[str, list[str]] = {}
    for path in sorted((MAPPINGS / "sources").glob("*.yaml")):
        connector = sources().get(path.stem)
        if connector is None:
            found = [f"no source goes by this name: write connectors/sources/{path.stem}.py, or delete the mapping"]
        else:
            case = make_case(connector)
            found = mapping_is_sound(case) or [*every_field_is_decided(case), *every_mapped_path_occurs(case)]
        problems[str(path.relative_to(MAPPINGS.parent))] = found
    for path in sorted((MAPPINGS / "destinations").glob("*.yaml")):
        try:
            load_destination_mapping(path.stem)
            found = []
        except ConfigurationError as error:
            found = [str(error)]
        problems[str(path.relative_to(MAPPINGS.parent))] = found
    return problems
