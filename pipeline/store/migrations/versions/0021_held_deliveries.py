"""Deliveries of objects that a mapping names no more are held; what a CRM says of a mapping is kept.

A program of before makes a held delivery due when it wants it again, and the sweep of this one holds it again: both may
run at once. The check of states and the index look through the
table once: meanwhile deliveries cannot be written, for about a second per million of them.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_HELD = """
ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_known;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_known
    CHECK (state IN ('due', 'in_flight', 'sent', 'quarantined', 'held'));
CREATE INDEX deliveries_held ON deliveries (destination) WHERE state = 'held';
"""
_COMPARED = """
CREATE TABLE mapping_comparisons (
    destination text NOT NULL,
    mapping_version text NOT NULL,
    compared_at timestamptz NOT NULL DEFAULT now(),
    findings text[] NOT NULL DEFAULT '{}',
    fault text,
    CONSTRAINT mapping_comparisons_pkey PRIMARY KEY (destination)
);
"""


def upgrade() -> None:
    op.execute(_HELD)
    op.execute(_COMPARED)
