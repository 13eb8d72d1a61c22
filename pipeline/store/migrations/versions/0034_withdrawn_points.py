"""Addresses and numbers that are withdrawn, whoever has them; which evidence has one; what the ledger is to hear.

A program of before neither reads nor writes them. Tables alone, at once; what was withdrawn before is noted by the
program that comes, as only it can open whose address it was.
"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_WITHDRAWN = """
CREATE TABLE withdrawn_points (
    key bigint NOT NULL,
    brand text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    act text NOT NULL,
    at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    linked_at timestamptz,
    CONSTRAINT withdrawn_points_pkey PRIMARY KEY (key, purpose, channel, act),
    CONSTRAINT withdrawn_points_act_known CHECK (act IN ('withdrawal', 'objection'))
);
CREATE INDEX withdrawn_points_unlinked ON withdrawn_points (created_at) WHERE linked_at IS NULL;
CREATE TABLE withdrawn_evidence (
    evidence_id uuid NOT NULL,
    key bigint NOT NULL,
    CONSTRAINT withdrawn_evidence_pkey PRIMARY KEY (evidence_id, key)
);
CREATE TABLE withdrawals_to_ledger (
    key bigint NOT NULL,
    brand text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    act text NOT NULL,
    at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT withdrawals_to_ledger_pkey PRIMARY KEY (key, purpose, channel, act)
);
"""
_TO_BE_NOTED = """
INSERT INTO filed_versions (name, version) SELECT 'withdrawn_points', 0
WHERE EXISTS (SELECT FROM consents WHERE act IN ('withdrawal', 'objection'))
    OR EXISTS (SELECT FROM activities WHERE state = 'waiting' AND says = 'consent')
"""


def upgrade() -> None:
    op.execute(_WITHDRAWN)
    op.execute(_TO_BE_NOTED)
