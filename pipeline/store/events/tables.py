"""Tables of what sources sent, and of what became of it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from pipeline.lanes import LANES
from pipeline.records import (
    EVENT_STATES,
    NOBODY_YET,
    SUPERSEDED,
    SUPPRESSION_REASONS,
    TOLD_OF_SOMEBODY,
    UNKNOWN_PERSON,
)
from pipeline.store.columns import count_column, metadata, moment_column, one_of

REASONS = (*SUPPRESSION_REASONS, SUPERSEDED, *TOLD_OF_SOMEBODY, NOBODY_YET, UNKNOWN_PERSON)
RESOLUTIONS = ("open", "replayed", "discarded", "fixed")

event_keys = Table(
    "event_keys",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("event_id", Uuid, nullable=False),
    count_column("repeats"),
    moment_column("last_seen_at", nullable=False, is_now=True),
    Column("content", LargeBinary),  # of the first event; NULL where the key decides alone, or is of an older version
    count_column("revisions"),  # how many further contents came under this key: rows of event_revisions
    PrimaryKeyConstraint("digest", "source", "brand", name="event_keys_pkey"),
)
Index(
    "event_keys_revised",
    event_keys.c.source,
    event_keys.c.revisions,
    postgresql_where=text("revisions >= 5"),  # revisions.MANY: what `doctor` asks for
)

event_revisions = Table(
    "event_revisions",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # as in event_keys
    Column("content", LargeBinary, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("record_id", Uuid, nullable=False),  # the first event of the record
    count_column("number"),  # 1, 2, … in the order of arrival; the first event is number 0
    PrimaryKeyConstraint("digest", "content", "source", "brand", name="event_revisions_pkey"),
)
Index("event_revisions_record", event_revisions.c.record_id, event_revisions.c.number, unique=True)
Index("event_revisions_event", event_revisions.c.event_id)

reconciled_days = Table(
    "reconciled_days",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("day", Date, nullable=False),  # of UTC
    count_column("expected"),
    count_column("received"),
    count_column("recovered"),
    moment_column("read_to", nullable=False),  # records from then on were not asked for
    moment_column("checked_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("brand", "source", "day", name="reconciled_days_pkey"),
)

recovered_events = Table(
    "recovered_events",
    metadata,
    Column("event_id", Uuid, nullable=False),  # that a reconcile brought
    moment_column("revised_at"),
    moment_column("recovered_at", nullable=False, is_now=True),
    moment_column("posted_at"),  # when the source's own post came after all
    PrimaryKeyConstraint("event_id", name="recovered_events_pkey"),
)

content_readings = Table(
    "content_readings",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reading", LargeBinary, nullable=False),  # digest of `declared`; empty: everything as it came
    Column("declared", Text, nullable=False),  # what of a mapping decides which contents are equal, as JSON
    moment_column("first_used_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("brand", "source", "reading", name="content_readings_pkey"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("external_id", Text),  # the source's own id of the record; NULL where it is an address or number
    moment_column("received_at", nullable=False, is_now=True),
    moment_column("occurred_at"),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("stage", Text),
    count_column("attempts", SmallInteger),  # how often it was claimed
    count_column("losses", SmallInteger),  # how often its worker was lost
    count_column("lone_losses", SmallInteger),  # how often with this event alone in the batch
    count_column("batch_size", SmallInteger),  # of the batch it was last claimed in
    Column("claim", Uuid),
    moment_column("lease_until"),
    Column("mapping_version", Text),
    Column("person_id", Uuid),
    Column("reason", Text),  # why a lead is suppressed; what is no lead has none (reasons.py)
    Column("channel", Text),
    moment_column("settled_at"),
    moment_column("revised_at"),  # when the source says that the record was last changed
    Column("contact", LargeBinary),  # which contact of the record it is, where the source tells
    Column("record_id", Uuid),  # the first event of its record; only where the record has revisions
    Column("adds", Boolean, nullable=False, server_default=text("false")),  # revisions stand beside each other
    Column("revises", Uuid),  # the event that said something else of the record before
    Column("superseded_by", Uuid),  # the revision that took its place in what the person is
    Column("unproven", Boolean, nullable=False, server_default=text("false")),  # of a source that signs nothing
    PrimaryKeyConstraint("event_id", name="events_pkey"),
    one_of("lane", LANES, "events_lane_known"),
    one_of("state", EVENT_STATES, "events_state_known"),
    one_of("reason", REASONS, "events_reason_known"),
    postgresql_partition_by="RANGE (event_id)",
)
Index(
    "events_waiting",
    events.c.lane,
    events.c.unproven,
    events.c.event_id,
    postgresql_where=text("state = 'pending' AND losses = 0"),
)
Index(
    "events_lost",
    events.c.lane,
    events.c.claim,
    events.c.event_id,
    postgresql_where=text("state = 'pending' AND losses > 0"),
)
Index("events_record", events.c.record_id, postgresql_where=text("record_id IS NOT NULL"))
Index("events_in_flight", events.c.lane, events.c.claim, postgresql_where=text("state = 'in_flight'"))

event_bodies = Table(
    "event_bodies",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("request_id", Uuid),  # of the body it is a record of; NULL: it has its own
    Column("fetched", LargeBinary),  # what was read from the source by the id that came
    PrimaryKeyConstraint("event_id", name="event_bodies_pkey"),
    postgresql_partition_by="RANGE (event_id)",
)

request_bodies = Table(  # of several records each, stored once
    "request_bodies",
    metadata,
    Column("request_id", Uuid, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("request_id", name="request_bodies_pkey"),
    postgresql_partition_by="RANGE (request_id)",
)

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
    moment_column("created_at", nullable=False, is_now=True),
    Column("resolution", Text, nullable=False, server_default=text("'open'")),
    moment_column("resolved_at"),
    Column("why", Text),
    Column("patch", LargeBinary),  # sealed JSON of the fields a human set
    PrimaryKeyConstraint("quarantine_id", name="quarantine_pkey"),
    one_of("resolution", RESOLUTIONS, "quarantine_resolution_known"),
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
    moment_column("first_seen_at", nullable=False, is_now=True),
    moment_column("last_seen_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("source", "brand", "mapping_version", "path", name="drift_pkey"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("position", Text),
    moment_column("updated_at"),
    Column("last_error", Text),
    moment_column("last_run_at"),
    moment_column("next_run_at"),
    moment_column("held_until"),  # somebody is polling until then; a killed poll's hold runs out
    count_column("failures"),  # in a row, without a page between them
    Column("read_from", Text),  # a digest of the address that the position belongs to
    Column("settings_digest", Text),  # of what the last run was set up with: a change makes the next one due
    Column("note", Text),  # what the last run that had something to say said
    moment_column("noted_at"),
    PrimaryKeyConstraint("brand", "source", "stream", name="cursors_pkey"),
)

intake_requests = Table(
    "intake_requests",
    metadata,
    Column("source", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    moment_column("minute", nullable=False),
    count_column("requests"),
    PrimaryKeyConstraint("minute", "source", "outcome", name="intake_requests_pkey"),
)

source_connectors = Table(
    "source_connectors",
    metadata,
    Column("source", Text, nullable=False),
    Column("connector", Text, nullable=False),  # as the settings said when a lead of it was last mapped
    PrimaryKeyConstraint("source", name="source_connectors_pkey"),
)

DROPPED_FILE_STATES = ("reading", "read", "archived", "rejected")

dropped_files = Table(
    "dropped_files",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("content_id", Uuid, nullable=False),  # keyed digest of its bytes; its name is nowhere
    Column("file_id", Uuid, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'reading'")),
    Column("read_as", Text, nullable=False),  # version and mapping that `rows_done` was counted with
    count_column("rows_done", BigInteger),  # rows stored so far: a reading that was cut short goes on after them
    count_column("attempts"),  # readings begun in a row without a row stored
    count_column("accepted", BigInteger),
    count_column("repeated", BigInteger),
    count_column("revised", BigInteger),
    count_column("rejected", BigInteger),
    moment_column("first_seen_at", nullable=False, is_now=True),
    one_of("state", DROPPED_FILE_STATES, "dropped_files_state_check"),
    PrimaryKeyConstraint("brand", "source", "content_id", name="dropped_files_pkey"),
)
