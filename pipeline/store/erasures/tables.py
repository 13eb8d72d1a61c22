"""Tables of requests of privacy. Ids, counts and times: nothing that says who somebody is."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.store.columns import metadata, moment_column, one_of

KINDS = ("erase", "export", "restrict", "hold")
# erasing: our rows are gone or going; waiting: for CRMs; by_hand: a human must remove a record that we cannot
REQUEST_STATES = ("awaiting_approval", "erasing", "waiting", "by_hand", "done", "refused")

privacy_requests = Table(
    "privacy_requests",
    metadata,
    Column("request_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("brand", Text),  # NULL: all brands
    moment_column("received_at", nullable=False, is_now=True),
    moment_column("verified_at"),  # when everything was looked for again and nothing was found
    moment_column("due_at", nullable=False),
    moment_column("ended_at"),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("approved_by", Text),
    Column("reason", Text),
    Column("progress", JSONB, nullable=False, server_default=text("'{}'")),  # counts by table, outcomes by system
    Column("certificate", JSONB),
    PrimaryKeyConstraint("request_id", name="privacy_requests_pkey"),
    one_of("kind", KINDS, "privacy_requests_kind_known"),
    one_of("state", REQUEST_STATES, "privacy_requests_state_known"),
)
Index(
    "privacy_requests_open",
    privacy_requests.c.received_at,
    postgresql_where=text("state NOT IN ('done', 'refused')"),
)

privacy_subjects = Table(
    "privacy_subjects",
    metadata,
    Column("request_id", Uuid, nullable=False),
    Column("subject_id", Uuid, nullable=False),  # of a person, or of a company that was known by them alone
    Column("kind", Text, nullable=False),
    Column("brand", Text, nullable=False),
    PrimaryKeyConstraint("request_id", "subject_id", name="privacy_subjects_pkey"),
    one_of("kind", ("person", "company"), "privacy_subjects_kind_known"),
)
Index("privacy_subjects_subject", privacy_subjects.c.subject_id)
