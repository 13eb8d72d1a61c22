"""A person's own link, for whoever writes to them: to what they agree to, with the headers of a mail to them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from pipeline.audit.entries import record_action
from pipeline.errors import NotFoundError, UsageError
from pipeline.privacy.asking.consent_links import PREFERENCES, address_of, preference_token
from pipeline.store.people.kept_consents import read_owner

if TYPE_CHECKING:
    from sqlalchemy import Connection


class PersonLink(msgspec.Struct, frozen=True):
    """`url`: the page. `headers` go into a mail whose `stop` is what one click takes back (RFC 8058)."""

    person_id: UUID
    url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"<PersonLink {self.person_id}>"


def link_of(connection: Connection, person_id: UUID, *, stop: str = "marketing.email") -> PersonLink:
    """The same each time; of somebody who is one with another, it leads to whoever they are by then.

    Raises NotFoundError, UsageError, and ConfigurationError where the receiver's address is not set.
    """
    purpose, _, channel = stop.partition(".")
    if not purpose or not channel:
        raise UsageError(f"{stop!r} is no question; write PURPOSE.CHANNEL, as marketing.email")
    owner = read_owner(connection, person_id)
    if owner is None:
        raise NotFoundError(f"no person has the id {person_id}: ids stand in `afluente people export`")
    token = preference_token(person_id)
    found = PersonLink(
        person_id,
        address_of(PREFERENCES, token),
        {
            "List-Unsubscribe": f"<{address_of(PREFERENCES, token, stop=stop)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    record_action(connection, "consent.link", brand=owner[1], object_kind="person", object_id=owner[0])
    return found
