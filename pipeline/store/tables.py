"""The tables as models: what exists, of which type, with which index. docs/decisions/0006-store.md gives the reasons.

The statements of the hot path are written as SQL beside their functions; a test holds these models and the migrations
equal. `events` and `event_bodies` are partitioned by month (store/schema.py), so the partitions are not listed here.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.records import EVENT_STATES, LANES, SUPPRESSION_REASONS

DELIVERY_STATES = ("due", "in_flight", "sent", "quarantined")
RESOLUTIONS = ("open", "replayed", "discarded", "fixed")

metadata = MetaData()


def _moment(name: str, *, nullable: bool = True, is_now: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=text("now()") if is_now else None)


def _count(name: str, kind: type[Integer] = Integer) -> Column[object]:
    return Column(name, kind, nullable=False, server_default=text("0"))


def _one_of(column: str, allowed: tuple[str, ...], name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in allowed)})", name=name)


event_keys = Table(
    "event_keys",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("event_id", Uuid, nullable=False),
    _count("repeats"),
    _moment("last_seen_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("digest", "source", "brand", name="event_keys_pkey"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("external_id", Text),  # the source's own id of the record; NULL where it is an address or number
    _moment("received_at", nullable=False, is_now=True),
    _moment("occurred_at"),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("stage", Text),
    _count("attempts", SmallInteger),  # how often it was claimed
    _count("losses", SmallInteger),  # how often its worker was lost
    _count("batch_size", SmallInteger),  # of the batch it was last claimed in
    Column("claim", Uuid),
    _moment("lease_until"),
    Column("mapping_version", Text),
    Column("person_id", Uuid),
    Column("reason", Text),
    Column("channel", Text),
    _moment("settled_at"),
    PrimaryKeyConstraint("event_id", name="events_pkey"),
    _one_of("lane", LANES, "events_lane_known"),
    _one_of("state", EVENT_STATES, "events_state_known"),
    _one_of("reason", SUPPRESSION_REASONS, "events_reason_known"),
    postgresql_partition_by="RANGE (event_id)",
)
Index("events_fresh", events.c.lane, events.c.event_id, postgresql_where=text("state = 'pending' AND losses = 0"))
Index(
    "events_lost",
    events.c.lane,
    events.c.claim,
    events.c.event_id,
    postgresql_where=text("state = 'pending' AND losses > 0"),
)
Index("events_in_flight", events.c.lane, events.c.claim, postgresql_where=text("state = 'in_flight'"))

event_bodies = Table(
    "event_bodies",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("event_id", name="event_bodies_pkey"),
    postgresql_partition_by="RANGE (event_id)",
)

people = Table(
    "people",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("profile", LargeBinary, nullable=False),
    *(
        Column(f"{which}_{what}", kind)
        for which in ("original", "latest")
        for what, kind in (
            ("source", Text()),
            ("channel", Text()),
            ("campaign", Text()),
            ("at", DateTime(timezone=True)),
            ("event", Uuid()),
        )
    ),
    _count("original_position", SmallInteger),  # of the touch among those of its event
    _count("latest_position", SmallInteger),
    Column("owner", Text),
    _count("touches"),
    _moment("created_at", nullable=False, is_now=True),
    _moment("updated_at", nullable=False, is_now=True),
    Column("merged_into", Uuid),  # the person it is one with now; nothing else hangs on such a row
    _moment("rerouted_at"),  # of the touches' latest
    PrimaryKeyConstraint("person_id", name="people_pkey"),
)

Index("people_merged", people.c.merged_into, postgresql_where=text("merged_into IS NOT NULL"))

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
    _moment("since", nullable=False, is_now=True),
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
    _count("notices"),  # how often others with one of its keys were resolved while it waited to be
    Column("sealed", LargeBinary, nullable=False),
    _moment("created_at", nullable=False, is_now=True),
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
    Column("decision_id", Uuid, nullable=False),  # one word of a human, about one pair or several
    Column("brand", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("why", Text),
    _moment("decided_at", nullable=False, is_now=True),
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
    _moment("created_at", nullable=False, is_now=True),
    _moment("found_at", nullable=False, is_now=True),  # last
    PrimaryKeyConstraint("one", "other", name="identity_reviews_pkey"),
    UniqueConstraint("review_id", name="identity_reviews_id"),
)
Index("identity_reviews_other", identity_reviews.c.other)

identity_log = Table(
    "identity_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _moment("at", nullable=False, is_now=True),
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

touches = Table(
    "touches",
    metadata,
    Column("event_id", Uuid, nullable=False),
    _count("position", SmallInteger),  # 0: the event's own; others its source remembered from before
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    _moment("occurred_at", nullable=False),
    Column("source", Text, nullable=False),
    Column("medium", Text),  # NULL: written before there was such a column; then it stands in `details`
    Column("channel", Text, nullable=False),
    Column("rules_version", Text),  # of the rules that the channel was found by
    *(
        Column(name, Text)
        for name in ("campaign", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id")
    ),
    Column("click_ids", JSONB, nullable=False, server_default=text("'{}'")),
    Column("referrer_host", Text),
    Column("landing_path", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    _moment("rerouted_at"),  # when it was found to ask for its person to be routed again
    PrimaryKeyConstraint("event_id", "position", name="touches_pkey"),
)
Index("touches_person", touches.c.person_id)

consents = Table(
    "consents",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("granted", Boolean),  # null: asked, not answered
    _moment("at", nullable=False),
    Column("source", Text),
    Column("policy_version", Text),
    _moment("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("event_id", "purpose", "channel", name="consents_pkey"),
)
Index("consents_person", consents.c.person_id)

deliveries = Table(
    "deliveries",
    metadata,
    Column("destination", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("wanted_version", Integer, nullable=False),
    _count("sent_version"),
    Column("external_id", Text),
    Column("state", Text, nullable=False),
    _count("attempts"),
    _moment("next_attempt_at", nullable=False, is_now=True),
    _moment("wanted_at", nullable=False, is_now=True),
    Column("claim", Uuid),
    _moment("lease_until"),
    Column("last_error", Text),
    _moment("last_error_at"),
    _moment("loaded_at"),
    Column("once_digest", LargeBinary),  # SHA-256 of what the CRM last confirmed of the fields written once
    PrimaryKeyConstraint("person_id", "destination", name="deliveries_pkey"),
    _one_of("lane", LANES, "deliveries_lane_known"),
    _one_of("state", DELIVERY_STATES, "deliveries_state_known"),
)
Index(
    "deliveries_due",
    deliveries.c.destination,
    deliveries.c.lane,
    deliveries.c.next_attempt_at,
    postgresql_where=text("state = 'due'"),
)
Index("deliveries_in_flight", deliveries.c.claim, postgresql_where=text("state = 'in_flight'"))
Index(
    "deliveries_failed",
    deliveries.c.destination,
    deliveries.c.last_error_at,
    postgresql_where=text("last_error IS NOT NULL"),
)

delivery_log = Table(
    "delivery_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("destination", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    _moment("at", nullable=False, is_now=True),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("call_id", Uuid, nullable=False),
    PrimaryKeyConstraint("id", name="delivery_log_pkey"),
)
Index("delivery_log_person", delivery_log.c.person_id)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", Uuid, nullable=False),
    Column("event_id", Uuid),
    Column("destination", Text),
    Column("person_id", Uuid),
    Column("brand", Text, nullable=False),
    Column("source", Text),
    Column("stage", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("field", Text),
    Column("message", Text, nullable=False),
    _moment("created_at", nullable=False, is_now=True),
    Column("resolution", Text, nullable=False, server_default=text("'open'")),
    _moment("resolved_at"),
    Column("why", Text),
    Column("patch", LargeBinary),  # sealed JSON of the fields a human set
    PrimaryKeyConstraint("quarantine_id", name="quarantine_pkey"),
    _one_of("resolution", RESOLUTIONS, "quarantine_resolution_known"),
    CheckConstraint(
        "(event_id IS NULL) = (destination IS NOT NULL AND person_id IS NOT NULL)", name="quarantine_of_one_thing"
    ),
)
Index("quarantine_event", quarantine.c.event_id, postgresql_where=text("event_id IS NOT NULL"))
Index("quarantine_open_event", quarantine.c.event_id, unique=True, postgresql_where=text("resolution = 'open'"))
Index(
    "quarantine_open_delivery",
    quarantine.c.person_id,
    quarantine.c.destination,
    unique=True,
    postgresql_where=text("resolution = 'open' AND destination IS NOT NULL"),
)

drift = Table(
    "drift",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("mapping_version", Text, nullable=False),  # which mapping has not decided about it
    Column("path", Text, nullable=False),  # without personal data and list indexes
    Column("leads", BigInteger, nullable=False),
    _moment("first_seen_at", nullable=False, is_now=True),
    _moment("last_seen_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("source", "brand", "mapping_version", "path", name="drift_pkey"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("position", Text),
    _moment("updated_at"),
    Column("last_error", Text),
    _moment("last_run_at"),
    _moment("next_run_at"),
    PrimaryKeyConstraint("brand", "source", "stream", name="cursors_pkey"),
)

keyring = Table(
    "keyring",
    metadata,
    Column("name", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    _moment("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("name", name="keyring_pkey"),
)
