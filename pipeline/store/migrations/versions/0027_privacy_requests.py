"""Requests of privacy, whom each is about, and the addresses that nobody is to be known by again.

Three new tables; nothing that is there is touched. A program of before suppresses nobody.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_SUPPRESSIONS = """
CREATE TABLE suppressions (
    brand text NOT NULL,
    digest bytea NOT NULL,
    key bigint NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    request_id uuid,
    CONSTRAINT suppressions_pkey PRIMARY KEY (brand, digest),
    CONSTRAINT suppressions_reason_known CHECK (reason IN ('erased', 'objection', 'spam'))
);
CREATE INDEX suppressions_key ON suppressions (key);
CREATE INDEX suppressions_request ON suppressions (request_id);
"""
_REQUESTS = """
CREATE TABLE privacy_requests (
    request_id uuid NOT NULL,
    kind text NOT NULL,
    brand text,
    received_at timestamptz NOT NULL DEFAULT now(),
    verified_at timestamptz,
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    state text NOT NULL,
    asked_by text NOT NULL,
    approved_by text,
    reason text,
    progress jsonb NOT NULL DEFAULT '{}',
    certificate jsonb,
    CONSTRAINT privacy_requests_pkey PRIMARY KEY (request_id),
    CONSTRAINT privacy_requests_kind_known CHECK (kind IN ('erase', 'export', 'restrict', 'hold')),
    CONSTRAINT privacy_requests_state_known CHECK
        (state IN ('awaiting_approval', 'erasing', 'waiting', 'by_hand', 'done', 'refused'))
);
CREATE INDEX privacy_requests_open ON privacy_requests (received_at) WHERE state NOT IN ('done', 'refused');
CREATE TABLE privacy_subjects (
    request_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    brand text NOT NULL,
    CONSTRAINT privacy_subjects_pkey PRIMARY KEY (request_id, subject_id),
    CONSTRAINT privacy_subjects_kind_known CHECK (kind IN ('person', 'company'))
);
CREATE INDEX privacy_subjects_subject ON privacy_subjects (subject_id);
"""


def upgrade() -> None:
    op.execute(_SUPPRESSIONS)
    op.execute(_REQUESTS)
