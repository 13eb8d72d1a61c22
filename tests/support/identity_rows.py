"""What the store has of people and all that hangs on them, for tests that compare before and after."""

from __future__ import annotations

from uuid import UUID

from pipeline.crypto.encryption import open_profile
from pipeline.store.engine import transaction
from pipeline.store.identity import reviews
from tests.support.command_line import capture, work


def rows(statement: str, *values) -> list[tuple]:
    with transaction() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement, values)]


def owner(event_id: UUID) -> UUID:
    ((person_id,),) = rows("SELECT person_id FROM events WHERE event_id = %s", event_id)
    return person_id


def people() -> dict[UUID, frozenset[UUID]]:
    """Each person's pieces of evidence."""
    found: dict[UUID, set[UUID]] = {}
    for evidence_id, person_id in rows("SELECT evidence_id, person_id FROM evidence WHERE person_id IS NOT NULL"):
        found.setdefault(person_id, set()).add(evidence_id)
    return {person_id: frozenset(pieces) for person_id, pieces in found.items()}


_ENDS = ", ".join(
    f"{which}_{what}" for which in ("original", "latest")
    for what in ("at", "event", "position", "source", "channel", "campaign")
)  # fmt: skip


def stored() -> dict[str, object]:
    """All that hangs on people, as it stands; but for versions, which only grow, and what these say was emptied."""
    return {
        "people": {
            row[0]: ((profile := open_profile(row[1], row[0])).fields, profile.votes, *row[2:])
            for row in rows(f"SELECT person_id, profile, brand, touches, {_ENDS} FROM people WHERE merged_into IS NULL")
        },
        "forwards": rows("SELECT person_id, merged_into FROM people WHERE merged_into IS NOT NULL ORDER BY 1"),
        "evidence": people(),
        "events": rows("SELECT event_id, person_id, state FROM events ORDER BY 1"),
        "touches": rows("SELECT event_id, position, person_id, channel FROM touches ORDER BY 1, 2"),
        "consents": rows("SELECT event_id, purpose, channel, person_id, granted, at FROM consents ORDER BY 1, 2, 3"),
        "said": rows("SELECT one, other, same FROM identity_decisions ORDER BY 1, 2"),
    }


def waiting() -> list[reviews.Review]:
    with transaction() as connection:
        reviews.forget_settled(connection)
        return reviews.list_reviews(connection, limit=50)[0]


def leads(*records) -> list[UUID]:
    """Leads with a contact, a consent and a campaign each, worked on one after another; gives whose each was then."""
    owners = []
    for number, record in enumerate(records):
        (event_id,) = capture(
            {
                "occurred_at": f"2026-03-01T09:{number:02}:00Z",
                "utm_source": "google" if number % 2 else "news",
                "utm_medium": "cpc" if number % 2 else "email",
                "consents": [{"purpose": "marketing", "channel": "email", "granted": bool(number % 3)}],
                **record,
            }
        )
        work()
        owners.append(owner(event_id))
    return owners
