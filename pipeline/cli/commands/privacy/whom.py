"""Of whom a command of `privacy` is: by id, address or number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from pipeline.cli.terminal.connection import parse_id
from pipeline.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Person = Annotated[str | None, typer.Option("--person", metavar="ID", help="The id of a person.")]
Email = Annotated[str | None, typer.Option("--email", help="An e-mail address: everybody who has it.")]
Phone = Annotated[str | None, typer.Option("--phone", help="A phone number: everybody who has it.")]
ExternalId = Annotated[
    str | None,
    typer.Option("--external-id", metavar="SOURCE:ID", help="The id that a source has for a person, api:4711."),
]
Brand = Annotated[str | None, typer.Option("--brand", help="Only this brand.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, kept with it for good. No personal data.")]


def people_meant(
    connection: Connection, *, person: str | None, email: str | None, phone: str | None, brand: str | None
) -> list[UUID]:
    """Whoever is meant, in the order of their ids. Raises UsageError unless exactly one option says so, NotFoundError
    if it is nobody."""
    from pipeline.inspection.finding import find
    from pipeline.privacy import holds

    said = [text for text in (person, email, phone) if text]
    if len(said) != 1:
        raise UsageError("say who is meant by one of --person, --email and --phone")
    if person:
        return [holds.person_in(connection, parse_id(person), brand)]
    found = [match for match in find(connection, said[0]) if match.kind == "person" and brand in (None, match.brand)]
    if not found:
        raise NotFoundError(f"nobody of {brand or 'any brand'} has this address or number")
    return sorted({match.id for match in found})
