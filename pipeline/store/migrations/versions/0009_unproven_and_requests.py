"""Events that nobody proved have a share of a lane, not all of it; and what became of requests is counted.

The index of what waits is built anew: about a second per million events, during which none can be stored.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The program before this one writes events without the new column: they count as proven, as all did.
_EVENTS = """
ALTER TABLE events ADD COLUMN unproven boolean NOT NULL DEFAULT false;
CREATE INDEX events_waiting ON events (lane, unproven, event_id) WHERE state = 'pending' AND losses = 0;
DROP INDEX events_fresh;
"""
_REQUESTS = """
CREATE TABLE intake_requests (
    source text NOT NULL, outcome text NOT NULL,
    minute timestamptz NOT NULL,
    requests integer NOT NULL DEFAULT 0,
    CONSTRAINT intake_requests_pkey PRIMARY KEY (minute, source, outcome)
);
"""


def upgrade() -> None:
    op.execute(_EVENTS)
    op.execute(_REQUESTS)
