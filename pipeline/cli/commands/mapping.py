"""`afluente mapping …`: are the mappings sound, and what do they make of a payload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.terminal.findings import print_findings
from pipeline.cli.terminal.output import (
    AsJson,
    as_object,
    example,
    print_json,
    print_line,
    print_overridden,
    print_table,
    print_text,
)
from pipeline.errors import NotFoundError

_ROWS = 3  # shown as a table unless said otherwise

commands = typer.Typer(help="What a source's fields are called here, and a CRM's.", no_args_is_help=True)


@commands.command("check", epilog=example("afluente mapping check", "afluente mapping check --destination crm"))
def check_mappings(
    *,
    destination: Annotated[
        str | None,
        typer.Option("--destination", help="Also compare its mapping with the fields that the CRM itself tells."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every mapping.

    Of sources and destinations, and the rules of identity and survivorship: says what is wrong, in which file and
    where, and which fields of the samples nobody has mapped, kept or ignored. With --destination a CRM is asked which
    fields it has, how long they are, and which values they take. Exit 1 if there is anything to settle.
    """
    from connectors.kit.folders import overridden_files
    from pipeline.authoring.mapping_checks import check_mappings as find_problems

    problems = find_problems()
    fits: dict[str, list[str]] = {}
    if destination is not None:
        from pipeline.inspection.crm.checks import mapping_problems

        fits = mapping_problems(destination)
        for path, sentences in fits.items():
            problems[path] = [*problems.get(path, []), *sentences]
    overridden = [path for path in overridden_files() if path.startswith("mappings/")]
    if as_json:
        asked = {} if destination is None else {"asked": destination}
        print_json({"ok": not any(problems.values()), "mappings": problems, "overridden": overridden, **asked})
    else:
        print_findings(problems)
        print_overridden(overridden)
        if destination is not None and not any(fits.values()):
            print_line(f"{destination} was asked: {', '.join(fits)} fits the fields that it has")
    if any(problems.values()):
        raise typer.Exit(1)


@commands.command(
    "preview",
    epilog=example(
        "afluente mapping preview web_form samples/web_form/typical.json",
        "afluente mapping preview datablist leads.csv --rows 3",
        "afluente mapping preview datablist leads.csv --json",
    ),
)
def preview(
    *,
    slug: Annotated[str, typer.Argument(help="Source whose mapping is to be tried.")],
    file: Annotated[Path, typer.Argument(help="A payload as the source sends it, or a file of rows.")],
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help=f"Show at most this many records; else {_ROWS}, as JSON all.")
    ] = None,
    brand: Annotated[
        str | None, typer.Option("--brand", help="Brand whose region applies, if there are several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the mapping makes of a file.

    Source path, raw value, canonical field, normalized value, flags. Nothing is stored. A value that nobody has decided
    about appears as `custom`. Exit 1 if a record shown would wait in quarantine.
    """
    from itertools import chain, islice

    from pipeline.cli.terminal.trials import print_json_trials, print_trials
    from pipeline.inspection.trials import read_trials

    untried = read_trials(file, slug, brand)
    first = next(untried, None)
    if first is None:
        raise NotFoundError(f"{file} holds no record")
    limit = rows if rows is not None or as_json else _ROWS
    trials = (attempt() for attempt in islice(chain([first], untried), limit))
    has_parked = print_json_trials(trials) if as_json else print_trials(trials)
    more = 0 if as_json else sum(1 for _ in untried)
    if more:
        print_line(f"{more} more: `--rows N` shows as many, `--json` all of them")
    if has_parked:
        raise typer.Exit(1)


@commands.command("drift", epilog=example("afluente mapping drift", "afluente mapping drift web_form --json"))
def drift(
    *,
    slug: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show fields that nobody has decided about.

    Each with the number of leads that had it and when it was first and last seen, since the mapping in force. Their
    values are kept under `custom` until you decide.
    """
    from pipeline.cli.terminal.connection import database
    from pipeline.health.drift import current_drift
    from pipeline.inspection.names import check_source

    if slug is not None:
        check_source(slug)
    with database() as connection:
        fields = current_drift(connection, None if slug is None else [slug])
    if as_json:
        print_json([as_object(field) for field in fields])
        return
    if not fields:
        print_line("Every field that came is decided about.")
        return
    print_table(
        ("source", "brand", "path", "leads", "first seen", "last seen"),
        [
            (field.source, field.brand, field.path, field.leads, field.first_seen_at, field.last_seen_at)
            for field in fields
        ],
        numbers=["leads"],
    )
    files = ", ".join(sorted({f"mappings/sources/{field.mapping_version.partition('@')[0]}.yaml" for field in fields}))
    print_line(f"Decide about each in {files}: map it to a field, or list it under `kept` or `ignored`.")


@commands.command("schema", epilog=example("afluente mapping schema source > mappings/schema/source.json"))
def schema(kind: Annotated[str, typer.Argument(help="`source` or `destination`.")]) -> None:
    """Print the JSON Schema of mapping files.

    Editors complete and check mappings by it; each file names it in its first line.
    """
    from pipeline.authoring.mapping_schema import schema_text

    print_text(schema_text(kind))
