"""Jobs of CRMs that take many records at once and tell later what became of them.

A program of before knows no jobs: deliveries of one are in flight for it, under a lease that is renewed, so it may run
beside this one.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_JOBS = """
CREATE TABLE delivery_jobs (
    claim uuid NOT NULL,
    destination text NOT NULL,
    lane text NOT NULL,
    job_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_poll_at timestamptz NOT NULL,
    mapping_version text,
    sent_as text,
    records bytea NOT NULL,
    CONSTRAINT delivery_jobs_pkey PRIMARY KEY (claim)
);
CREATE INDEX delivery_jobs_next ON delivery_jobs (destination, next_poll_at);
"""


def upgrade() -> None:
    op.execute(_JOBS)
