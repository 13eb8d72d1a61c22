"""One id with other content is a revision: an event that takes the place of what was said before (decisions/0020).

Keys of before have no content. It is computed from the stored body once such a key is met again, so nothing is written
here but which sources have such keys: rows without id were known there by all their cells as they came.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CHANGES = """
ALTER TABLE event_keys ADD COLUMN content bytea, ADD COLUMN revisions integer NOT NULL DEFAULT 0;
CREATE INDEX event_keys_revised ON event_keys (source, revisions) WHERE revisions >= 5;

-- The further contents of an id, none for most.
CREATE TABLE event_revisions (
    brand text NOT NULL, source text NOT NULL, digest bytea NOT NULL,
    content bytea NOT NULL,
    event_id uuid NOT NULL,
    record_id uuid NOT NULL,
    number integer NOT NULL DEFAULT 0,
    CONSTRAINT event_revisions_pkey PRIMARY KEY (digest, content, source, brand)
);
CREATE UNIQUE INDEX event_revisions_record ON event_revisions (record_id, number);
CREATE INDEX event_revisions_event ON event_revisions (event_id);

CREATE TABLE content_readings (
    brand text NOT NULL, source text NOT NULL,
    reading bytea NOT NULL,
    declared text NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT content_readings_pkey PRIMARY KEY (brand, source, reading)
);
INSERT INTO content_readings (brand, source, reading, declared)
    SELECT DISTINCT brand, source, ''::bytea, '{}' FROM event_keys;

ALTER TABLE events ADD COLUMN revised_at timestamptz, ADD COLUMN contact bytea, ADD COLUMN record_id uuid,
    ADD COLUMN adds boolean NOT NULL DEFAULT false, ADD COLUMN revises uuid, ADD COLUMN superseded_by uuid;
CREATE INDEX events_record ON events (record_id) WHERE record_id IS NOT NULL;
ALTER TABLE events DROP CONSTRAINT events_reason_known;
ALTER TABLE events ADD CONSTRAINT events_reason_known
    CHECK (reason IN ('test', 'erased', 'no_consent', 'spam', 'superseded'));
"""


def upgrade() -> None:
    op.execute(_CHANGES)
