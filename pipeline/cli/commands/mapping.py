"""`afluente mapping …`: are the mappings sound, and what do they make of a payload."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.output import (
    AsJson,
    CommandError,
    example,
    plain,
    print_json,
    print_line,
    print_overridden,
    print_table,
    print_text,
)

if TYPE_CHECKING:
    from pipeline.inspection.trials import RowTrial

_ROWS = 3  # shown as a table unless said otherwise

commands = typer.Typer(help="What a source's fields are called here, and a CRM's.", no_args_is_help=True)


@commands.command("check", epilog=example("afluente mapping check"))
def check_mappings(*, as_json: AsJson = False) -> None:
    """Check every mapping.

    Of sources and destinations, and the rules of identity and survivorship: says what is wrong, in which file and
    where, and which fields of the samples nobody has mapped, kept or ignored. Exit 1 if there is anything to settle.
    """
    from connectors.kit.folders import overridden_files

    problems = _check_all()
    overridden = [path for path in overridden_files() if path.startswith("mappings/")]
    if as_json:
        print_json({"ok": not any(problems.values()), "mappings": problems, "overridden": overridden})
    else:
        for path, found in problems.items():
            print_line(f"{path}: {'ok' if not found else f'{len(found)} to settle'}")
            for problem in found:
                print_line(f"  {problem}")
        print_overridden(overridden)
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

    from pipeline.inspection.trials import read_trials

    untried = read_trials(file, slug, brand)
    first = next(untried, None)
    if first is None:
        raise CommandError(f"{file} holds no record")
    limit = rows if rows is not None or as_json else _ROWS
    trials = (attempt() for attempt in islice(chain([first], untried), limit))
    has_parked = _print_json_trials(trials) if as_json else _print_trials(trials)
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
    from msgspec.structs import asdict

    from pipeline.cli.terminal.connection import database, known_source
    from pipeline.health.drift import current_drift

    sources = None if slug is None else [known_source(slug)]
    with database() as connection:
        found = current_drift(connection, sources)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        print_line("Every field that came is decided about.")
        return
    print_table(
        ("source", "brand", "path", "leads", "first seen", "last seen"),
        [(one.source, one.brand, one.path, one.leads, one.first_seen_at, one.last_seen_at) for one in found],
        numbers=["leads"],
    )
    files = ", ".join(sorted({f"mappings/sources/{one.mapping_version.partition('@')[0]}.yaml" for one in found}))
    print_line(f"Decide about each in {files}: map it to a field, or list it under `kept` or `ignored`.")


@commands.command("schema", epilog=example("afluente mapping schema source > mappings/schema/source.json"))
def schema(kind: Annotated[str, typer.Argument(help="`source` or `destination`.")]) -> None:
    """Print the JSON Schema of mapping files.

    Editors complete and check mappings by it; each file names it in its first line.
    """
    from pipeline.authoring.mapping_schema import KINDS, schema_text

    if kind not in KINDS:
        raise CommandError(f"{kind!r} is no kind of mapping; allowed: {', '.join(KINDS)}", exit_code=2)
    print_text(schema_text(kind))


def _print_trials(trials: Iterable[RowTrial]) -> bool:
    has_parked = False
    for trial in trials:
        version = f" ({trial.recomputed.mapping.version})" if trial.recomputed else ""
        print_line(f"record at {trial.line}{version}: {trial.verdict}")
        if trial.recomputed is not None:
            print_fields(trial.recomputed.fields())
        has_parked = has_parked or trial.state == "quarantined"
    return has_parked


def _print_json_trials(trials: Iterable[RowTrial]) -> bool:
    """One JSON array, a record a line, however many there are."""
    has_parked = False
    opening = "["
    for trial in trials:
        print_text(f"{opening}\n{json.dumps(trial.as_json(), default=plain, ensure_ascii=False)}")
        opening = ","
        has_parked = has_parked or trial.state == "quarantined"
    print_text("\n]\n")
    return has_parked


def print_fields(fields: list[dict[str, Any]]) -> None:
    """The table of fields before and after."""
    from pipeline.inspection.field_rows import COLUMNS

    print_table(COLUMNS, [[row[column] for column in COLUMNS] for row in fields])


def _check_all() -> dict[str, list[str]]:
    """Problems by path below the root, of every mapping there is."""
    from connectors.kit.conformance.mapping_checks import (
        every_field_is_decided,
        every_mapped_path_occurs,
        mapping_is_sound,
    )
    from connectors.kit.registry import sources
    from pipeline.authoring.conformance_cases import make_case
    from pipeline.errors import ConfigurationError
    from pipeline.identity.matching.name_agreement import nicknames
    from pipeline.identity.matching.rules import read_rules
    from pipeline.stages.mapping.source_mapping import load_destination_mapping
    from pipeline.stages.survivorship.rules import read_survivorship
    from pipeline.values.yaml_files import mapping_file, mapping_files, shown

    problems: dict[str, list[str]] = {}
    for path in mapping_files("sources"):
        connector = sources().get(path.stem)
        if connector is None:
            found = [f"no source goes by this name: write connectors/sources/{path.stem}.py, or delete the mapping"]
        else:
            case = make_case(connector)
            found = mapping_is_sound(case) or [*every_field_is_decided(case), *every_mapped_path_occurs(case)]
        problems[shown(path)] = found
    reads: dict[Path, Callable[[Path], object]] = {
        path: lambda path: load_destination_mapping(path.stem) for path in mapping_files("destinations")
    }
    reads |= {
        mapping_file("identity.yaml"): read_rules,
        mapping_file("survivorship.yaml"): read_survivorship,
        mapping_file("vocabularies/nicknames.yaml"): lambda _: nicknames(),
    }
    for path, read in reads.items():
        try:
            read(path)
            found = []
        except ConfigurationError as error:
            found = [str(error)]
        problems[shown(path)] = found
    return problems
