"""Who is who is derived from evidence: each lead's own, kept; people are what hangs together (docs/decisions/0016).

`match_keys` goes: a key belonged to the first person it was seen with, and nothing could come apart again.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Ids of evidence and keys are 16 bytes of a keyed digest: equal evidence has one id, in whatever order it came.
_TABLES = """
CREATE TABLE evidence (
    evidence_id uuid NOT NULL,
    brand text NOT NULL,
    birth_id uuid NOT NULL,
    person_id uuid,
    component uuid NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT evidence_pkey PRIMARY KEY (evidence_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX evidence_component ON evidence (component);
CREATE INDEX evidence_person ON evidence (person_id);
CREATE UNIQUE INDEX evidence_birth ON evidence (birth_id);

CREATE TABLE evidence_keys (
    key uuid NOT NULL,
    evidence_id uuid NOT NULL,
    CONSTRAINT evidence_keys_pkey PRIMARY KEY (key, evidence_id)
);

CREATE TABLE evidence_events (
    event_id uuid NOT NULL,
    evidence_id uuid NOT NULL,
    CONSTRAINT evidence_events_pkey PRIMARY KEY (event_id)
);
CREATE INDEX evidence_events_evidence ON evidence_events (evidence_id);

-- Addresses and numbers that two or more names use which cannot be one person's. Few: most have one name.
CREATE TABLE shared_keys (
    key uuid NOT NULL,
    names smallint NOT NULL,
    CONSTRAINT shared_keys_pkey PRIMARY KEY (key)
);

-- What a human said of two pieces of evidence: `same` or not. Wins over every weight, for ever, until taken back.
-- One word of a human may be about several pairs; they have one `decision_id` and are taken back together.
CREATE TABLE identity_decisions (
    one uuid NOT NULL,
    other uuid NOT NULL,
    same boolean NOT NULL,
    decision_id uuid NOT NULL,
    brand text NOT NULL,
    decided_by text NOT NULL,
    why text,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT identity_decisions_pkey PRIMARY KEY (one, other),
    CONSTRAINT identity_decisions_order CHECK (one < other)
);
CREATE INDEX identity_decisions_other ON identity_decisions (other);
CREATE INDEX identity_decisions_decision ON identity_decisions (decision_id);

CREATE TABLE identity_reviews (
    review_id bigint GENERATED ALWAYS AS IDENTITY,
    one uuid NOT NULL,
    other uuid NOT NULL,
    brand text NOT NULL,
    score real NOT NULL,
    pieces jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    found_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT identity_reviews_pkey PRIMARY KEY (one, other),
    CONSTRAINT identity_reviews_id UNIQUE (review_id)
);
CREATE INDEX identity_reviews_other ON identity_reviews (other);

-- Append-only. Read in the order of (written_in, id) up to the oldest open transaction: ids are given out before the
-- rows that bear them can be seen, so the order of ids alone would let a reader pass over some.
CREATE TABLE identity_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    brand text NOT NULL,
    action text NOT NULL,
    person_id uuid NOT NULL,
    other_id uuid,
    event_id uuid,
    decided_by text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    written_in bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    CONSTRAINT identity_log_pkey PRIMARY KEY (id)
);
CREATE INDEX identity_log_order ON identity_log (written_in, id);
CREATE INDEX identity_log_person ON identity_log (person_id);
CREATE INDEX identity_log_other ON identity_log (other_id) WHERE other_id IS NOT NULL;

ALTER TABLE people ADD COLUMN merged_into uuid, ADD COLUMN rerouted_at timestamptz;
ALTER TABLE touches ADD COLUMN rerouted_at timestamptz;
DROP TABLE match_keys;
"""


def upgrade() -> None:
    op.execute(_TABLES)
