"""Confirmations: asked for once a question and person, mailed with a lease, confirmed once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import EVERY_CHANNEL, WITHDRAWING
from pipeline.store import arrays

_DAYS = 7  # that a link holds


class Asked(NamedTuple):
    """What is to be asked for: `digest` is that of its link's token. `by`: mail or webhook."""

    confirmation_id: UUID
    digest: bytes
    event_id: UUID
    purpose: str
    channel: str
    by: str


class Confirmation(NamedTuple):
    """One that was asked for."""

    confirmation_id: UUID
    event_id: UUID
    person_id: UUID
    brand: str
    purpose: str
    channel: str
    by: str
    created_at: datetime
    expires_at: datetime
    asked_at: datetime | None
    confirmed_at: datetime | None

    def __repr__(self) -> str:
        return f"<Confirmation {self.confirmation_id}>"


# Who is asked already, and has not answered yet, is not asked again. A link undoes no withdrawal that came after it was
# asked for, so who withdrew since is asked anew, if not on the same day: whoever fills in a form may say both.
_WITHDRAWN = """
SELECT w.purpose, w.channel, w.act, w.at FROM evidence e JOIN withdrawn_evidence l USING (evidence_id)
JOIN withdrawn_points w ON w.key = l.key WHERE e.person_id"""
_ASK = f"""
INSERT INTO consent_confirmations
    (confirmation_id, digest, event_id, person_id, brand, source, purpose, channel, by, expires_at)
SELECT asked.confirmation_id, asked.digest, c.event_id, c.person_id, c.brand, coalesce(c.source, ''), c.purpose,
    c.channel, asked.by, now() + interval '{_DAYS} days'
FROM unnest(%s::uuid[], %s::bytea[], %s::uuid[], %s::text[], %s::text[], %s::text[])
    AS asked (confirmation_id, digest, event_id, purpose, channel, by)
JOIN consents c ON (c.event_id, c.purpose, c.channel) = (asked.event_id, asked.purpose, asked.channel)
WHERE c.act = 'pending' AND NOT EXISTS (
    SELECT FROM consent_confirmations open
    WHERE (open.person_id, open.purpose, open.channel) = (c.person_id, c.purpose, c.channel)
        AND open.confirmed_at IS NULL AND open.expires_at > now()
        AND (open.created_at > now() - interval '1 day' OR NOT EXISTS (
            SELECT FROM (
                SELECT purpose, channel, act, at FROM consents WHERE person_id = c.person_id
                UNION ALL SELECT purpose, channel, act, at FROM ({_WITHDRAWN} = c.person_id) AS theirs
            ) AS w
            WHERE w.purpose = c.purpose AND w.channel IN (c.channel, '{EVERY_CHANNEL}') AND w.at >= open.created_at
                AND w.act IN ({", ".join(repr(act) for act in WITHDRAWING)})
        ))
)
ORDER BY asked.confirmation_id ON CONFLICT DO NOTHING
"""  # noqa: S608 - put together from constants


def ask(connection: Connection, asked: Sequence[Asked]) -> None:
    """Ask for the confirmation of these ticks, which are stored. One statement, none without ticks."""
    if asked:
        ordered = sorted(asked)
        connection.exec_driver_sql(
            _ASK,
            (
                arrays.uuids(tick.confirmation_id for tick in ordered),
                arrays.blobs(tick.digest for tick in ordered),
                arrays.uuids(tick.event_id for tick in ordered),
                arrays.texts(tick.purpose for tick in ordered),
                arrays.texts(tick.channel for tick in ordered),
                arrays.texts(tick.by for tick in ordered),
            ),
        )


_COLUMNS = ", ".join(Confirmation._fields)


def find(connection: Connection, digest: bytes, *, hold: bool = False) -> Confirmation | None:
    """The one whose link has this digest; `hold`: held until the transaction ends. One statement."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM consent_confirmations WHERE digest = %s" + " FOR UPDATE" * hold,  # noqa: S608 - put together from constants
        (digest,),
    ).first()
    return None if row is None else Confirmation(*row)


def note_confirmed(connection: Connection, confirmation_id: UUID) -> None:
    """It was confirmed now. One statement."""
    connection.exec_driver_sql(
        "UPDATE consent_confirmations SET confirmed_at = now() WHERE confirmation_id = %s", (confirmation_id,)
    )


def read_of_events(connection: Connection, event_ids: Collection[UUID]) -> dict[UUID, list[Confirmation]]:
    """What is asked for because of these events. One statement, none without ids."""
    found: dict[UUID, list[Confirmation]] = {}
    if event_ids:
        rows = connection.exec_driver_sql(
            f"SELECT {_COLUMNS} FROM consent_confirmations WHERE event_id = ANY(%s::uuid[])"  # noqa: S608 - put together from constants
            " ORDER BY purpose, channel",
            (arrays.uuids(sorted(event_ids)),),
        )
        for row in rows:
            found.setdefault(row[1], []).append(Confirmation(*row))
    return found


# Who takes one has five minutes for its mail; tried again ever more seldom, for as long as the link holds.
_TAKE = f"""
UPDATE consent_confirmations SET attempts = attempts + 1,
    next_attempt_at = now() + make_interval(mins => least(360, 5 * (attempts + 1)))
WHERE confirmation_id IN (
    SELECT confirmation_id FROM consent_confirmations
    WHERE by = 'mail' AND asked_at IS NULL AND confirmed_at IS NULL
        AND next_attempt_at <= now() AND expires_at > now()
    ORDER BY next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants


def take_due(connection: Connection, *, limit: int) -> list[Confirmation]:
    """Those whose mail is to be sent now; nobody else gets them for five minutes. One statement."""
    return [Confirmation(*row) for row in connection.exec_driver_sql(_TAKE, (limit,))]


def note_asked(connection: Connection, confirmation_id: UUID, error: str | None) -> None:
    """Its mail was taken, or (`error`, without values) was not. One statement."""
    connection.exec_driver_sql(
        "UPDATE consent_confirmations SET asked_at = CASE WHEN %(error)s::text IS NULL THEN now() END,"
        " last_error = %(error)s WHERE confirmation_id = %(id)s AND asked_at IS NULL",
        {"id": confirmation_id, "error": error},
    )


def count_unsent(connection: Connection) -> int:
    """Mails that are due and could not be sent at least once. One statement, over a partial index."""
    counted = connection.exec_driver_sql(
        "SELECT count(*) FROM consent_confirmations"
        " WHERE by = 'mail' AND asked_at IS NULL AND confirmed_at IS NULL AND last_error IS NOT NULL"
    ).scalar()
    return int(counted or 0)


_EVIDENCE = """
SELECT coalesce(e.evidence_id, a.event_id), coalesce(e.sealed, a.sealed_evidence), c.person_id, c.source,
    c.policy_version, c.legal_basis, c.notice_id, c.notice_hash, c.language, c.jurisdiction, c.expires_at
FROM consents c LEFT JOIN evidence_events x USING (event_id) LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
LEFT JOIN activities a ON a.event_id = c.event_id
WHERE (c.event_id, c.purpose, c.channel) = (%s, %s, %s)
"""
_TOLD = (
    "source",
    "policy_version",
    "legal_basis",
    "notice_id",
    "notice_hash",
    "language",
    "jurisdiction",
    "expires_at",
)


class Tick(NamedTuple):
    """The tick that a confirmation is of: whose word it is, sealed, whose it is now, and what else was said with it."""

    evidence_id: UUID | None
    sealed: bytes | None
    person_id: UUID
    facts: dict[str, object]

    def __repr__(self) -> str:
        return "<Tick>"


def read_tick(connection: Connection, confirmation: Confirmation) -> Tick | None:
    """None: it is not there any more, as its person was erased. One statement."""
    row = connection.exec_driver_sql(
        _EVIDENCE, (confirmation.event_id, confirmation.purpose, confirmation.channel)
    ).first()
    if row is None:
        return None
    evidence_id, sealed, person_id, *facts = row
    opened = None if sealed is None else bytes(sealed)
    return Tick(evidence_id, opened, person_id, dict(zip(_TOLD, facts, strict=True)))
