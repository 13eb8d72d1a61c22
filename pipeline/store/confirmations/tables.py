"""Table of confirmations that are asked for."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid, text

from pipeline.store.columns import count_column, metadata, moment_column

consent_confirmations = Table(
    "consent_confirmations",
    metadata,
    Column("confirmation_id", Uuid, nullable=False),  # made of the event and the question
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of what its link holds
    Column("event_id", Uuid, nullable=False),  # whose tick it is
    Column("person_id", Uuid, nullable=False),  # when it was asked for
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("by", Text, nullable=False),  # how it is asked for: mail or webhook
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("expires_at", nullable=False),
    count_column("attempts"),  # of mails
    moment_column("next_attempt_at", nullable=False, is_now=True),
    moment_column("asked_at"),  # when the mail was taken
    Column("last_error", Text),
    moment_column("confirmed_at"),
    PrimaryKeyConstraint("confirmation_id", name="consent_confirmations_pkey"),
)
Index("consent_confirmations_digest", consent_confirmations.c.digest, unique=True)
Index("consent_confirmations_event", consent_confirmations.c.event_id)
Index("consent_confirmations_person", consent_confirmations.c.person_id)
Index(
    "consent_confirmations_due",
    consent_confirmations.c.next_attempt_at,
    postgresql_where=text("by = 'mail' AND asked_at IS NULL AND confirmed_at IS NULL"),
)
