"""Consents: what each lead said, kept as it came. What counts for a person of it all is decided in `privacy`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import CONSENT_MOMENTS, CONSENT_TEXTS, WITHDRAWING, Consent, Lead
from pipeline.store import arrays
from pipeline.store.people.withdrawn_points import OF_PEOPLE

_TEXTS = ("act", *CONSENT_TEXTS)
_FACTS = (*_TEXTS, *CONSENT_MOMENTS)


class StoredConsent(NamedTuple):
    """One answer, with the sealed evidence of the lead that gave it; both None where the event left no evidence.

    `key`: what is withdrawn of an address or number, by whomever: that of the evidence with this key of `brand`.
    """

    purpose: str
    channel: str
    granted: bool | None
    at: datetime
    evidence_id: UUID | None
    sealed_evidence: bytes | None
    source: str | None = None
    policy_version: str | None = None
    act: str | None = None
    expires_at: datetime | None = None
    is_superseded: bool = False  # its record says something else by now
    legal_basis: str | None = None
    key: int | None = None
    brand: str | None = None

    def __repr__(self) -> str:
        return f"<StoredConsent on {self.purpose} by {self.channel}>"


class ConsentRow(NamedTuple):
    """One answer of one event, as it is stored."""

    event_id: UUID
    purpose: str
    channel: str
    person_id: UUID
    brand: str
    granted: bool | None
    at: datetime
    source: str | None
    policy_version: str | None
    act: str | None = None
    legal_basis: str | None = None
    method: str | None = None
    notice_id: str | None = None
    notice_hash: str | None = None
    language: str | None = None
    jurisdiction: str | None = None
    expires_at: datetime | None = None
    double_opt_in_sent_at: datetime | None = None
    double_opt_in_confirmed_at: datetime | None = None

    @property
    def is_withdrawal(self) -> bool:
        """Whether no later answer undoes it."""
        return self.granted is False and self.act in WITHDRAWING

    def __repr__(self) -> str:
        return f"<ConsentRow of event {self.event_id}>"


def consent_rows(
    consents: Iterable[Consent], *, event_id: UUID, person_id: UUID, brand: str, source: str, at: datetime
) -> list[ConsentRow]:
    """What an event says; of several answers to a question the strictest counts, of equally strict ones the first.
    `source` and `at` are for answers that say none."""
    strictest: dict[tuple[str, str], Consent] = {}
    for consent in consents:
        question = consent.purpose, consent.channel
        known = strictest.get(question)
        if known is None or consent.strictness > known.strictness:
            strictest[question] = consent
    return [
        ConsentRow(
            event_id, consent.purpose, consent.channel, person_id, brand, consent.granted, consent.at or at,
            consent.source or source, consent.policy_version, *(getattr(consent, name) for name in _FACTS),
        )
        for consent in strictest.values()
    ]  # fmt: skip


def consents_of(lead: Lead) -> list[ConsentRow]:
    """What a lead says, nothing without a person; answers without a time are of when it occurred."""
    if lead.person_id is None:
        return []
    return consent_rows(
        lead.consents,
        event_id=lead.event_id,
        person_id=lead.person_id,
        brand=lead.brand,
        source=lead.source,
        at=lead.occurred_at,
    )


# Its values are `columns_of` rows.
INSERT_CONSENTS = f"""
INSERT INTO consents ({", ".join(ConsentRow._fields)})
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::bool[], %s::timestamptz[],
    %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
"""  # noqa: S608 - put together from constants


def columns_of(rows: Sequence[ConsentRow]) -> tuple[str, ...]:
    """Answers as the arrays that `INSERT_CONSENTS` takes."""
    return (
        arrays.uuids(row.event_id for row in rows),
        arrays.texts(row.purpose for row in rows),
        arrays.texts(row.channel for row in rows),
        arrays.uuids(row.person_id for row in rows),
        arrays.texts(row.brand for row in rows),
        arrays.booleans(row.granted for row in rows),
        arrays.moments(row.at for row in rows),
        arrays.texts(row.source for row in rows),
        arrays.texts(row.policy_version for row in rows),
        *(arrays.filled(arrays.texts, [getattr(row, name) for row in rows]) for name in _TEXTS),
        *(arrays.filled(arrays.moments, [getattr(row, name) for row in rows]) for name in CONSENT_MOMENTS),
    )


# With a new version of whoever said something new of a brand that tells its CRMs: rows in the order all take them.
_ADD_CONSENTS = f"""
WITH added AS ({INSERT_CONSENTS} ON CONFLICT DO NOTHING RETURNING person_id, brand)
UPDATE people SET version = version + 1, updated_at = now() WHERE person_id = ANY(ARRAY(
    SELECT person_id FROM people
    WHERE person_id IN (SELECT person_id FROM added WHERE brand = ANY(%s::text[])) ORDER BY person_id FOR UPDATE
))
"""  # noqa: S608 - put together from constants


def add_consents(connection: Connection, leads: Iterable[Lead], *, told: Collection[str] = ()) -> None:
    """Store what leads with a person say about consent. One statement, none where they say nothing.

    Append-only: what an event said of a purpose and channel is kept as first stored. `told`: brands whose CRMs are told
    of consent; there a person's version grows by one with what is new, so a second run changes nothing.
    """
    rows = [row for lead in sorted(leads, key=lambda lead: lead.event_id) for row in consents_of(lead)]
    if rows:
        connection.exec_driver_sql(_ADD_CONSENTS, (*columns_of(rows), arrays.texts(sorted(told))))


# What is told of somebody is of whoever its evidence is of by now.
_WRITE_CONSENTS = _ADD_CONSENTS.replace(
    "ON CONFLICT DO NOTHING",
    "ON CONFLICT (event_id, purpose, channel) DO UPDATE SET person_id = excluded.person_id"
    " WHERE consents.person_id <> excluded.person_id",
)


def write_consents(connection: Connection, rows: Sequence[ConsentRow], *, told: Collection[str] = ()) -> None:
    """As `add_consents`, of activities: what is stored already goes to its person of now. Their people must be held.
    One statement, none of nothing."""
    if rows:
        connection.exec_driver_sql(_WRITE_CONSENTS, (*columns_of(rows), arrays.texts(sorted(told))))


class Lapsed(NamedTuple):
    """`expired` statements have; of `people`, (person_id, brand), CRMs are to be told."""

    expired: int
    people: list[tuple[UUID, str]]


_NOTE_LAPSED = """
UPDATE consents SET lapsed_at = now() WHERE (event_id, purpose, channel) IN (
    SELECT event_id, purpose, channel FROM consents WHERE expires_at <= now() AND lapsed_at IS NULL
    ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING person_id, brand
"""
_NEW_VERSION = """
UPDATE people SET version = version + 1, updated_at = now() WHERE person_id = ANY(ARRAY(
    SELECT person_id FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id FOR UPDATE
))
"""


def note_lapsed(connection: Connection, *, limit: int, told: Callable[[Iterable[str]], Collection[str]]) -> Lapsed:
    """Note which grants have expired since, and give people of brands that are `told` of consent a new version. One
    statement, two where there are such people."""
    rows = [(person_id, brand) for person_id, brand in connection.exec_driver_sql(_NOTE_LAPSED, (limit,))]
    brands = told({brand for _, brand in rows})
    people = sorted({row for row in rows if row[1] in brands})
    if people:
        connection.exec_driver_sql(_NEW_VERSION, (arrays.uuids(person_id for person_id, _ in people),))
    return Lapsed(len(rows), people)


# Its record says something else by now. A tick that waits to be confirmed ends nothing that held before it, so what was
# granted stays where all that its record says of it now is that.
IS_SUPERSEDED = """(v.superseded_by IS NOT NULL AND NOT (c.granted IS TRUE
        AND EXISTS (SELECT FROM consents p WHERE p.act = 'pending'
            AND (p.event_id, p.purpose, p.channel) = (v.superseded_by, c.purpose, c.channel))
        AND EXISTS (SELECT FROM events n JOIN consents p ON p.event_id = n.event_id
            WHERE n.record_id = v.record_id AND n.superseded_by IS NULL
                AND (p.purpose, p.channel, p.act) = (c.purpose, c.channel, 'pending'))))"""
_SAID = f"""
WITH withdrawn AS ({OF_PEOPLE.format(people="%(people)s::uuid[]")})
SELECT person_id, purpose, channel, granted, at, evidence_id, sealed, source, policy_version, act, expires_at,
    is_superseded, legal_basis, key, brand
FROM (
    SELECT c.person_id, c.purpose, c.channel, c.granted, c.at, c.event_id, coalesce(e.evidence_id, a.event_id)
        AS evidence_id, coalesce(e.sealed, a.sealed_evidence) AS sealed, c.source, c.policy_version, c.act,
        c.expires_at, {IS_SUPERSEDED} AS is_superseded, c.legal_basis,
        NULL::bigint AS key, NULL::text AS brand
    FROM consents c
    LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
    LEFT JOIN events v ON v.event_id = c.event_id LEFT JOIN activities a ON a.event_id = c.event_id
    WHERE c.person_id = ANY(%(people)s::uuid[])
    UNION ALL
    SELECT person_id, purpose, channel, false, at, event_id, evidence_id, sealed, NULL, NULL, act, NULL, false, NULL,
        key, brand
    FROM withdrawn
) AS said
"""  # noqa: S608 - put together from constants
_OF_PEOPLE = f"{_SAID} WHERE NOT is_superseded OR granted IS FALSE ORDER BY at, event_id"
_OF_QUESTIONS = f"""{_SAID}
WHERE (purpose, channel) IN (SELECT * FROM unnest(%(purposes)s::text[], %(channels)s::text[])) ORDER BY at, event_id
"""  # noqa: S608 - put together from constants


def read_consents(connection: Connection, person_ids: Sequence[UUID]) -> dict[UUID, list[StoredConsent]]:
    """All that these people's leads said of consent, and what is withdrawn of their addresses by whomever, oldest
    first, of those who have any. One statement.

    Of a record that says something else by now, refusals only: what it granted was for what it said then.
    """
    return _stored(connection, _OF_PEOPLE, {"people": arrays.uuids(person_ids)})


def read_answers_of(
    connection: Connection, person_ids: Collection[UUID], questions: Collection[tuple[str, str]]
) -> dict[UUID, list[StoredConsent]]:
    """All that these people's leads ever said of these questions, (purpose, channel), and what is withdrawn of their
    addresses, oldest first; of those who were asked. One statement, none without questions or people."""
    if not (person_ids and questions):
        return {}
    ordered = sorted(questions)
    values = {
        "people": arrays.uuids(person_ids),
        "purposes": arrays.texts(purpose for purpose, _ in ordered),
        "channels": arrays.texts(channel for _, channel in ordered),
    }
    return _stored(connection, _OF_QUESTIONS, values)


def read_all_answers(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, list[StoredConsent]]:
    """All that these people's leads ever said, oldest first, also what their record does not say any more; of those who
    said anything. One statement, none without people."""
    if not person_ids:
        return {}
    return _stored(connection, f"{_SAID} ORDER BY at, event_id", {"people": arrays.uuids(person_ids)})


def _stored(connection: Connection, statement: str, values: dict[str, str]) -> dict[UUID, list[StoredConsent]]:
    found: dict[UUID, list[StoredConsent]] = {}
    rows = connection.exec_driver_sql(statement, values)
    for person_id, purpose, channel, granted, at, evidence_id, sealed, *more in rows:
        opened = None if sealed is None else bytes(sealed)
        found.setdefault(person_id, []).append(StoredConsent(purpose, channel, granted, at, evidence_id, opened, *more))
    return found
