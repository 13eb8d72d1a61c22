"""Tables of evidence of who is who, and of what was decided about it (docs/decisions/0016)."""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.store.columns import count_column, metadata, moment_column

filed_versions = Table(
    "filed_versions",
    metadata,
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("name", name="filed_versions_pkey"),
)

unfinished_upgrades = Table(
    "unfinished_upgrades",
    metadata,
    Column("name", Text, nullable=False),
    moment_column("since", nullable=False, is_now=True),
    PrimaryKeyConstraint("name", name="unfinished_upgrades_pkey"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("evidence_id", Uuid, nullable=False),  # made of its content
    Column("brand", Text, nullable=False),
    Column("birth_id", Uuid, nullable=False),  # of the person it would be alone
    Column("person_id", Uuid),  # NULL: not resolved yet
    Column("component", Uuid, nullable=False),  # the smallest evidence it hangs together with, one person or not
    count_column("notices"),  # how often others with one of its keys were resolved while it waited to be
    Column("sealed", LargeBinary, nullable=False),
    moment_column("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("evidence_id", name="evidence_pkey"),
)
Index("evidence_component", evidence.c.component, postgresql_where=text("component <> evidence_id"))
Index("evidence_person", evidence.c.person_id, postgresql_where=text("person_id IS NOT NULL"))
Index("evidence_birth", evidence.c.birth_id, unique=True)

evidence_keys = Table(
    "evidence_keys",
    metadata,
    Column("key", BigInteger, nullable=False),  # 8 bytes of a keyed digest
    Column("evidence_id", Uuid, nullable=False),
    Column("generation", SmallInteger),  # of the index key; NULL: the first
    PrimaryKeyConstraint("key", "evidence_id", name="evidence_keys_pkey"),
)

evidence_events = Table(
    "evidence_events",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("evidence_id", Uuid, nullable=False),
    PrimaryKeyConstraint("event_id", name="evidence_events_pkey"),
)
Index("evidence_events_evidence", evidence_events.c.evidence_id)

shared_keys = Table(
    "shared_keys",
    metadata,
    Column("key", BigInteger, nullable=False, autoincrement=False),
    Column("names", SmallInteger, nullable=False),  # excluding each other, up to `of_many`; crowded: 32767
    PrimaryKeyConstraint("key", name="shared_keys_pkey"),
)

identity_decisions = Table(
    "identity_decisions",
    metadata,
    Column("one", Uuid, nullable=False),
    Column("other", Uuid, nullable=False),
    Column("same", Boolean, nullable=False),
    Column("decision_id", Uuid, nullable=False),  # one decision of a human, about one pair or several
    Column("brand", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("why", Text),
    moment_column("decided_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("one", "other", name="identity_decisions_pkey"),
    CheckConstraint("one < other", name="identity_decisions_order"),
)
Index("identity_decisions_other", identity_decisions.c.other)
Index("identity_decisions_decision", identity_decisions.c.decision_id)

identity_reviews = Table(
    "identity_reviews",
    metadata,
    Column("review_id", BigInteger, Identity(always=True), nullable=False),  # what a human types
    Column("one", Uuid, nullable=False),
    Column("other", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("score", REAL, nullable=False),
    Column("pieces", JSONB, nullable=False),
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("found_at", nullable=False, is_now=True),  # last
    PrimaryKeyConstraint("one", "other", name="identity_reviews_pkey"),
    UniqueConstraint("review_id", name="identity_reviews_id"),
)
Index("identity_reviews_other", identity_reviews.c.other)

identity_log = Table(
    "identity_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    moment_column("at", nullable=False, is_now=True),
    Column("brand", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("other_id", Uuid),
    Column("event_id", Uuid),
    Column("decided_by", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    # The transaction's number: what a reader goes by, as ids are given out before their rows can be seen.
    Column("written_in", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    PrimaryKeyConstraint("id", name="identity_log_pkey"),
)
Index("identity_log_order", identity_log.c.written_in, identity_log.c.id)
Index("identity_log_at", identity_log.c.at, identity_log.c.id)
Index("identity_log_person", identity_log.c.person_id)
Index("identity_log_other", identity_log.c.other_id, postgresql_where=text("other_id IS NOT NULL"))
