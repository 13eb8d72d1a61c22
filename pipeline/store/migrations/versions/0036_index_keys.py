"""Several keys of the index: which there are, under which of them each number is filed, how far a rotation has come.

Numbers without a generation are those of the first key, so nothing that is stored is written anew. A program of before
knows the first key alone: rotate when every process is of this version. Columns without a default, and tables: at once.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_KEYS = """
CREATE TABLE index_keys (
    generation smallint NOT NULL,
    key_id text NOT NULL,
    state text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    current_since timestamptz,
    CONSTRAINT index_keys_pkey PRIMARY KEY (generation),
    CONSTRAINT index_keys_key_id UNIQUE (key_id),
    CONSTRAINT index_keys_state_known CHECK (state IN ('coming', 'current', 'leaving', 'kept'))
);
CREATE UNIQUE INDEX index_keys_current ON index_keys (state) WHERE state <> 'kept';
CREATE TABLE index_rotation (
    step text NOT NULL,
    after text,
    done bigint NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CONSTRAINT index_rotation_pkey PRIMARY KEY (step)
);
ALTER TABLE evidence_keys ADD COLUMN generation smallint;
ALTER TABLE activity_keys ADD COLUMN generation smallint;
ALTER TABLE withdrawn_points ADD COLUMN key_id text;
ALTER TABLE withdrawals_to_ledger ADD COLUMN key_id text;
CREATE INDEX withdrawn_evidence_key ON withdrawn_evidence (key);
"""
# Plpgsql takes a snapshot for each of its statements: what changed while the lock was waited for is seen.
_HOLD = """
CREATE FUNCTION hold_index_keys() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(415022, 3);
    RETURN coalesce((SELECT version FROM filed_versions WHERE name = 'index'), 0);
END $$;
"""


def upgrade() -> None:
    op.execute(_KEYS)
    op.execute(_HOLD)
