"""What sources that post say they have posted, by day, beside what came; and which events a reconcile brought.

Two new tables; nothing that is there is touched.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_DAYS = """
CREATE TABLE reconciled_days (
    brand text NOT NULL,
    source text NOT NULL,
    day date NOT NULL,
    expected integer NOT NULL DEFAULT 0,
    received integer NOT NULL DEFAULT 0,
    recovered integer NOT NULL DEFAULT 0,
    read_to timestamptz NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT reconciled_days_pkey PRIMARY KEY (brand, source, day)
);
CREATE TABLE recovered_events (
    event_id uuid NOT NULL,
    revised_at timestamptz,
    recovered_at timestamptz NOT NULL DEFAULT now(),
    posted_at timestamptz,
    CONSTRAINT recovered_events_pkey PRIMARY KEY (event_id)
);
"""


def upgrade() -> None:
    op.execute(_DAYS)
