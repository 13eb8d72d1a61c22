"""`leads export`, `people export`, `deliveries export`: everything as rows, streamed, in constant memory."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database, known_brand, known_source
from pipeline.cli.terminal.output import example, print_note
from pipeline.cli.terminal.rows import AsFormat, OutFile, RowFormat, streaming, write_rows

leads = typer.Typer(help="Leads as they were accepted.", no_args_is_help=True)
people = typer.Typer(help="People: the golden records.", no_args_is_help=True)
deliveries = typer.Typer(help="What each CRM should have and has.", no_args_is_help=True)

LEAD_COLUMNS = (
    "event_id",
    "external_id",
    "source",
    "brand",
    "state",
    "person_id",
    "received_at",
    "occurred_at",
    "lane",
    "channel",
)
DELIVERY_COLUMNS = (
    "destination",
    "person_id",
    "state",
    "wanted_version",
    "sent_version",
    "external_id",
    "attempts",
    "last_error",
    "merged_into",
)

TOUCH_COLUMNS = ("touch_source", "touch_medium", "touch_campaign")  # last, as more were added to what was there
WHY_COLUMNS = ("reason", "rule")
MOMENT_COLUMNS = ("original_at", "latest_at")

# A lead's `state` is where it stands, so the state it lives in needs another name.
RENAMED = {"state": "address_state"}

Brand = Annotated[str | None, typer.Option("--brand", help="Only this brand.")]


@leads.command(
    "export",
    epilog=example("afluente leads export --out leads.csv", "afluente leads export --format jsonl --source web_form"),
)
def export_leads(
    row_format: AsFormat = RowFormat.csv,
    source: Annotated[str | None, typer.Option("--source", help="Only leads of this source.")] = None,
    brand: Brand = None,
    out: OutFile = None,
) -> None:
    """Write one row per accepted event.

    Where it came from, where it stands, its normalized fields and what is derived from them. Fields are what the
    current mapping makes of the stored request; consents, channel and the touch's source, medium and campaign are as
    they were recorded when the lead settled. Events that were quarantined or suppressed are rows too, with the
    fields that could be read, the `reason` and, if a rule of `mappings/validation.yaml` suppresses it, the `rule`. In
    CSV, texts that a spreadsheet would take for a formula get an apostrophe in front; phone numbers stay as they are,
    and so does everything in jsonl.
    """
    from pipeline.canonical import CANONICAL_FIELDS, DERIVED_FIELDS
    from pipeline.inspection.lead_rows import with_fields
    from pipeline.store.reports import stream_events

    if source is not None:
        known_source(source)
    known_brand(brand)
    fields = [name for name in (RENAMED.get(field, field) for field in CANONICAL_FIELDS) if name not in LEAD_COLUMNS]
    with (
        database(timeout_seconds=0) as connection,
        streaming(stream_events(connection, source=source, brand=brand)) as events,
    ):
        rows = with_fields(connection, events, renamed=RENAMED)
        columns = (*LEAD_COLUMNS, *fields, "consents", "custom", "flags", *DERIVED_FIELDS, *TOUCH_COLUMNS, *WHY_COLUMNS)
        count = write_rows(rows, columns, row_format, out)
    print_note(f"{count} leads")


@people.command(
    "export",
    epilog=example(
        "afluente people export --out people.csv",
        "afluente people export --format jsonl",
        "afluente people export --merged",
    ),
)
def export_people(
    *,
    row_format: AsFormat = RowFormat.csv,
    brand: Brand = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="The ids of people who are one with another instead, and of whom.")
    ] = False,
    out: OutFile = None,
) -> None:
    """Write one row per person.

    The golden fields, original and latest source, channel and campaign, how many touches, and values derived from the
    golden fields: company domain, level and function of the job title, state code, type of the phone; at last when the
    original and the latest touch were.
    """
    from pipeline.canonical import ATTRIBUTION_NAMES, DERIVED_FIELDS, PERSON_FIELDS
    from pipeline.store.reports import stream_forwards, stream_people
    from pipeline.values.derived import derive

    known_brand(brand)
    if merged:
        with database(timeout_seconds=0) as connection, streaming(stream_forwards(connection, brand=brand)) as found:
            count = write_rows(found, ("person_id", "merged_into", "brand"), row_format, out)
        print_note(f"{count} people are one with another")
        return
    attribution = [name for name in ATTRIBUTION_NAMES if name not in MOMENT_COLUMNS]
    columns = ("person_id", "version", "brand", *PERSON_FIELDS, *attribution, *DERIVED_FIELDS, *MOMENT_COLUMNS)
    with database(timeout_seconds=0) as connection, streaming(stream_people(connection, brand=brand)) as stored:
        rows = ({**row["values"], **derive(row["values"]), **row} for row in stored)
        count = write_rows(rows, columns, row_format, out)
    print_note(f"{count} people")


@deliveries.command(
    "export",
    epilog=example("afluente deliveries export --out deliveries.csv", "afluente deliveries export --format jsonl"),
)
def export_deliveries(
    row_format: AsFormat = RowFormat.csv,
    destination: Annotated[str | None, typer.Option("--destination", help="Only this CRM.")] = None,
    out: OutFile = None,
) -> None:
    """Write one row per person and CRM.

    The version it should have, the version it has, its id there, and the last error. With `merged_into` it is the
    record of a person who is one with that other now: it is marked, or left as it was.
    """
    from pipeline.store.reports import stream_deliveries

    with (
        database(timeout_seconds=0) as connection,
        streaming(stream_deliveries(connection, destination=destination)) as stored,
    ):
        count = write_rows(stored, DELIVERY_COLUMNS, row_format, out)
    print_note(f"{count} deliveries")
