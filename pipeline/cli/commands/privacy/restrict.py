"""`afluente privacy restrict`: people whose data is kept and not used."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.commands.privacy.hold import print_holds
from pipeline.cli.commands.privacy.whom import Brand, Email, Person, Phone, people_meant
from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.decisions import By, name_of
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line

_ID = "01930000-0000-7000-8000-000000000001"
RESTRICT = example(
    f"afluente privacy restrict --person {_ID} --reason 'disputes the address'",
    f"afluente privacy restrict --person {_ID} --lift --reason 'address corrected'",
    "afluente privacy restrict --list",
)


def restrict(
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept with it for good. No personal data.")] = "",
    person: Person = None,
    email: Email = None,
    phone: Phone = None,
    brand: Brand = None,
    lift: Annotated[bool, typer.Option("--lift", help="Use their data again.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show whose data is restricted.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Keep people's data and do not use it (article 18 of the GDPR).

    Nothing of them is sent to a CRM or by a webhook, and nothing is deleted for its age, until it is lifted: then what
    waits goes out. That they take back a consent is sent all the same.
    """
    from pipeline.privacy import holds

    with database() as connection:
        if listed:
            found = holds.read_holds(connection, holds.RESTRICTION, brand=brand)
        else:
            people = people_meant(connection, person=person, email=email, phone=phone, brand=brand)
            change = holds.lift if lift else holds.restrict
            found = [
                hold for person_id in people for hold in change(connection, person_id, reason=reason, by=name_of(by))
            ]
    if as_json:
        print_json(found)
    elif listed:
        print_holds(found)
    else:
        for hold in found:
            print_line(f"{hold.person_id} is {'used again' if lift else 'kept and not used'}")
