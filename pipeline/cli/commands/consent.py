"""`afluente consent …`: what people agree to, shown with what holds, recorded on a human's word, exported."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database, parse_id
from pipeline.cli.terminal.decisions import By, name_of
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table
from pipeline.cli.terminal.rows import AsFormat, ForExcel, OutFile, RowFormat, write_rows
from pipeline.errors import UsageError

commands = typer.Typer(help="What people agree to, and withdraw.", no_args_is_help=True)

_ONE = "01930000-0000-7000-8000-000000000001"
PersonId = Annotated[str, typer.Argument(metavar="PERSON", help="Id of a person.")]


@commands.command("show", epilog=example(f"afluente consent show {_ONE}", f"afluente consent show {_ONE} --json"))
def show(*, person: PersonId, as_json: AsJson = False) -> None:
    """Show what a person said of consent, as it is kept, and what holds of it now.

    Per purpose and channel, for the person and for each address and number: an explicit withdrawal stands against later
    answers. Addresses are personal data: they are opened for you and go nowhere but to this terminal.
    """
    from pipeline.inspection.consents.statements import show_consents

    with database() as connection:
        found = show_consents(connection, parse_id(person))
    if as_json:
        print_json(found)
        return
    print_table(
        ("purpose", "channel", "of", "holds", "since", "by", "note"),
        [
            (held.purpose, held.channel, held.contact_point or "the person", held.state.replace("_", " "), held.since,
             held.act, held.note)
            for held in found.holds
        ],
    )  # fmt: skip
    print_line("")
    print_table(
        ("said at", "purpose", "channel", "answer", "act", "by", "source", "text", "event"),
        [
            (said.get("at"), said["purpose"], said["channel"], _ANSWERS[said["granted"]], said.get("act"),
             statement.contact_points, said.get("source"), said.get("policy_version"), statement.event_id)
            for statement in found.statements
            for said in (statement.said,)
        ],
    )  # fmt: skip


_ANSWERS = {True: "yes", False: "no", None: "left open"}


@commands.command(
    "record",
    epilog=example(
        f"afluente consent record {_ONE} marketing.email --withdrawn --why 'wrote to us'",
        f"afluente consent record {_ONE} marketing.phone --granted --why 'asked for it on the phone, call 4711'",
    ),
)
def record(
    *,
    person: PersonId,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="PURPOSE.CHANNEL, as marketing.email.")],
    granted: Annotated[
        bool | None, typer.Option("--granted/--withdrawn", help="What the person says.", show_default=False)
    ] = None,
    objection: Annotated[
        bool, typer.Option("--objection", help="Withdrawn, from every channel of the purpose.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="The reason, kept with it. No personal data.")],
    by: By = None,
    legal_basis: Annotated[str | None, typer.Option("--legal-basis", help="Such as consent, contract.")] = None,
    policy_version: Annotated[
        str | None, typer.Option("--policy-version", help="Of the text that was agreed to.")
    ] = None,
    jurisdiction: Annotated[str | None, typer.Option("--jurisdiction", help="Whose law it is under, as ES.")] = None,
    expires_at: Annotated[datetime | None, typer.Option("--expires", help="Until when a grant holds.")] = None,
    as_json: AsJson = False,
) -> None:
    """Record a person's word that a human heard.

    A grant by hand is one of two things that take an explicit withdrawal back; the other is a confirmed opt-in.
    """
    from pipeline.inspection.consents.statements import record_consent, tell_workers

    if granted is None and not objection:
        raise UsageError("say --granted, --withdrawn or --objection")
    facts = {
        "legal_basis": legal_basis,
        "policy_version": policy_version,
        "jurisdiction": jurisdiction,
        "expires_at": expires_at.astimezone() if expires_at else None,
    }
    with database() as connection:
        done = record_consent(
            connection, parse_id(person), question, granted=bool(granted), by=name_of(by), why=why,
            is_objection=objection, **facts,
        )  # fmt: skip
    tell_workers()
    if as_json:
        print_json(done)
        return
    print_line(f"{done.purpose} by {done.channel}: {done.act.replace('_', ' ')}, as event {done.event_id}")


@commands.command("link", epilog=example(f"afluente consent link {_ONE}", f"afluente consent link {_ONE} --json"))
def link(
    *,
    person: PersonId,
    stop: Annotated[
        str, typer.Option("--stop", help="What one click in a mail program takes back: PURPOSE.CHANNEL.")
    ] = "marketing.email",
    as_json: AsJson = False,
) -> None:
    """Show the link by which a person chooses what they agree to, and the headers of a mail that unsubscribe.

    The link needs no login and holds for good: put it into mails to that person, and nowhere else.
    """
    from pipeline.inspection.consents.links import link_of

    with database() as connection:
        found = link_of(connection, parse_id(person), stop=stop)
    if as_json:
        print_json(found)
        return
    print_line(found.url)
    for name, value in found.headers.items():
        print_line(f"{name}: {value}")


@commands.command(
    "export", epilog=example("afluente consent export --out consents.csv", "afluente consent export --format jsonl")
)
def export(
    *,
    row_format: AsFormat = RowFormat.csv,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    excel: ForExcel = False,
    out: OutFile = None,
) -> None:
    """Write one row per statement of consent, with all that is kept of it and what holds of its question now."""
    from pipeline.inspection.consents.statements import export_consents

    with database(timeout_seconds=0) as connection, export_consents(connection, brand=brand) as statements:
        count = write_rows(statements.rows, statements.columns, row_format, out, excel=excel)
    print_note(f"{count} statements")
