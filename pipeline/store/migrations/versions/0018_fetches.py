"""Sources that send ids alone: the record of each is read from the source before it is mapped.

An event that waits for that is `fetching`, a state that no program of before claims; what was read stands beside what
came. The new condition of `events` is checked on all of them: some tenths of a second per million, during which none can
be stored.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_FETCHES = """
ALTER TABLE events DROP CONSTRAINT events_state_known;
ALTER TABLE events ADD CONSTRAINT events_state_known
    CHECK (state IN ('pending', 'in_flight', 'settled', 'quarantined', 'suppressed', 'fetching'));
ALTER TABLE event_bodies ADD COLUMN fetched bytea;
CREATE TABLE fetches (
    event_id uuid NOT NULL,
    brand text NOT NULL,
    source text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    claim uuid,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fetches_pkey PRIMARY KEY (event_id)
);
CREATE INDEX fetches_due ON fetches (source, brand, due_at);
CREATE TABLE fetch_pauses (
    source text NOT NULL,
    brand text NOT NULL,
    until timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    is_terminal boolean NOT NULL DEFAULT false,
    error text NOT NULL,
    settings_digest text NOT NULL,
    CONSTRAINT fetch_pauses_pkey PRIMARY KEY (source, brand)
);
"""


def upgrade() -> None:
    op.execute(_FETCHES)
