"""What a record says of somebody known and is no lead: activities, consents, orders (decisions/0029).

Rows of before say nothing of the kind: their events ended as `not_a_lead`, and stay so. A program of before knows no
activities: it takes such records for no leads, as it did.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_CHANGES = """
CREATE TABLE activities (
    event_id uuid NOT NULL,
    brand text NOT NULL, source text NOT NULL,
    says text NOT NULL, kind text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    evidence_id uuid,
    waits_until timestamptz,
    looked_at timestamptz NOT NULL DEFAULT now(),
    sealed_evidence bytea,
    sealed bytea NOT NULL,
    CONSTRAINT activities_pkey PRIMARY KEY (event_id),
    CONSTRAINT activities_says_known CHECK (says IN ('activity', 'consent', 'order')),
    CONSTRAINT activities_state_known CHECK (state IN ('waiting', 'known', 'ended', 'also', 'later'))
);
CREATE INDEX activities_evidence ON activities (evidence_id) WHERE evidence_id IS NOT NULL;
CREATE INDEX activities_looked_at ON activities (looked_at) WHERE state = 'waiting';
CREATE INDEX activities_waits_until ON activities (waits_until) WHERE state = 'waiting';

-- By what the waiting ones are found when their lead comes.
CREATE TABLE activity_keys (
    key bigint NOT NULL,
    event_id uuid NOT NULL,
    CONSTRAINT activity_keys_pkey PRIMARY KEY (key, event_id)
);
CREATE INDEX activity_keys_event ON activity_keys (event_id);

ALTER TABLE events DROP CONSTRAINT events_reason_known;
ALTER TABLE events ADD CONSTRAINT events_reason_known CHECK (reason IN ('test', 'erased', 'no_consent', 'spam',
    'superseded', 'activity', 'consent', 'order', 'nobody_yet', 'unknown_person'));
"""


def upgrade() -> None:
    op.execute(_CHANGES)
