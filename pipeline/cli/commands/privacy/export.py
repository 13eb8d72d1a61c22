"""`afluente privacy export`: all that is held of somebody, for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.commands.privacy.erase import asked_by
from pipeline.cli.commands.privacy.whom import Brand, Email, ExternalId, Person, Phone
from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import example, print_line, print_note
from pipeline.errors import UsageError

EXPORT = example(
    "afluente privacy export --email ada.sample@example.com --out ada.zip",
    "afluente privacy export --person 01930000-0000-7000-8000-000000000001 --out ada",
)


def export(
    *,
    out: Annotated[Path, typer.Option("--out", help="A folder that is made, or a .zip file.")],
    email: Email = None,
    phone: Phone = None,
    person: Person = None,
    external_id: ExternalId = None,
    brand: Brand = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, kept in the audit log. No personal data.")
    ] = None,
) -> None:
    """Write all that is held of somebody, as they may ask for it (article 15 of the GDPR).

    A page to read, everything as JSON, and a CSV file for each table: values opened, where each is from, who was told
    and when. Nobody else is in it. Readable by its owner alone.
    """
    from pipeline.privacy.exporting import exports

    if out.exists():
        raise UsageError(f"{out} is there already: name one that is not", argument="out")
    asked = asked_by(email=email, phone=phone, person=person, brand=brand, external_id=external_id)
    with installation():
        made = exports.export_people(asked, reason=reason)
    for name in exports.write_export(made, out):
        print_line(str(out / name) if out.suffix.lower() != ".zip" else f"{out}: {name}")
    print_note(f"{len(made.person_ids)} ids of people, {sum(map(len, made.tables.values()))} rows")
