"""Who is who is derived from evidence: each lead's own, kept; people are what hangs together (docs/decisions/0016).

`match_keys` goes: a key belonged to the first person it was seen with, and nothing could come apart again.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Ids of evidence are 16 bytes of a keyed digest: equal evidence has one id, in whatever order it came. Keys are 8 bytes
# of one: two that share a number by chance are looked at together and compared, no more.
# Most pieces of evidence are alone: `evidence_component` leaves them out, they are found by their own id.
_TABLES = """
CREATE TABLE evidence (
    evidence_id uuid NOT NULL,
    brand text NOT NULL,
    birth_id uuid NOT NULL,
    person_id uuid,
    component uuid NOT NULL,
    notices integer NOT NULL DEFAULT 0,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT evidence_pkey PRIMARY KEY (evidence_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX evidence_component ON evidence (component) WHERE component <> evidence_id;
CREATE INDEX evidence_person ON evidence (person_id) WHERE person_id IS NOT NULL;
CREATE UNIQUE INDEX evidence_birth ON evidence (birth_id);

CREATE TABLE evidence_keys (
    key bigint NOT NULL,
    evidence_id uuid NOT NULL,
    CONSTRAINT evidence_keys_pkey PRIMARY KEY (key, evidence_id)
);

CREATE TABLE evidence_events (
    event_id uuid NOT NULL,
    evidence_id uuid NOT NULL,
    CONSTRAINT evidence_events_pkey PRIMARY KEY (event_id)
);
CREATE INDEX evidence_events_evidence ON evidence_events (evidence_id);

-- Addresses and numbers that two or more names use which cannot be one person's, and crowded keys of any kind (32767).
-- Few: most have one name.
CREATE TABLE shared_keys (
    key bigint NOT NULL,
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
CREATE INDEX identity_log_at ON identity_log (at, id);
CREATE INDEX identity_log_person ON identity_log (person_id);
CREATE INDEX identity_log_other ON identity_log (other_id) WHERE other_id IS NOT NULL;

ALTER TABLE people ADD COLUMN merged_into uuid, ADD COLUMN rerouted_at timestamptz;
CREATE INDEX people_merged ON people (merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE touches ADD COLUMN rerouted_at timestamptz;

-- By which version of the program's keys evidence is filed (`keys`). No row: none is filed yet.
CREATE TABLE filed_versions (
    name text NOT NULL,
    version integer NOT NULL,
    CONSTRAINT filed_versions_pkey PRIMARY KEY (name)
);

-- What an update leaves to the program, until that is done. Here: to file the evidence of leads from before.
CREATE TABLE unfinished_upgrades (
    name text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT unfinished_upgrades_pkey PRIMARY KEY (name)
);
INSERT INTO unfinished_upgrades (name) SELECT 'evidence' WHERE EXISTS (SELECT FROM people);
DROP TABLE match_keys;
DROP FUNCTION lock_match_keys(bigint[]);
"""

# Held until the transaction ends. `is_patient` waits, in the order given; otherwise false if any is held by others.
# A transaction that needs more locks than an eighth of the server's lock table takes all at once instead, alone.
_LOCK_COMPONENTS = """
CREATE FUNCTION lock_components(numbers bigint[], is_patient boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    most constant integer := current_setting('max_locks_per_transaction')::integer
        * (current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer) / 8;
BEGIN
    IF cardinality(numbers) > most THEN
        IF is_patient THEN
            PERFORM pg_advisory_xact_lock(415022, 0);
            RETURN true;
        END IF;
        RETURN pg_try_advisory_xact_lock(415022, 0);
    END IF;
    IF is_patient THEN
        PERFORM pg_advisory_xact_lock_shared(415022, 0);
        FOR place IN 1 .. cardinality(numbers) LOOP
            PERFORM pg_advisory_xact_lock(numbers[place]);
        END LOOP;
        RETURN true;
    END IF;
    IF NOT pg_try_advisory_xact_lock_shared(415022, 0) THEN
        RETURN false;
    END IF;
    FOR place IN 1 .. cardinality(numbers) LOOP
        IF NOT pg_try_advisory_xact_lock(numbers[place]) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$
"""

# Whether evidence is filed as `mine`, a version of keys, needs it; if so, until the transaction ends: whoever files all
# of it anew takes the same lock alone. Each statement in here sees what was committed when the lock was got.
_HOLD_FILED_KEYS = """
CREATE FUNCTION hold_filed_keys(mine integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(415022, 3);
    IF NOT EXISTS (SELECT FROM filed_versions WHERE name = 'keys') THEN
        INSERT INTO filed_versions (name, version) VALUES ('keys', mine) ON CONFLICT DO NOTHING;
    END IF;
    RETURN EXISTS (SELECT FROM filed_versions WHERE name = 'keys' AND version = mine)
        AND NOT EXISTS (SELECT FROM unfinished_upgrades);
END $$
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_LOCK_COMPONENTS)
    op.execute(_HOLD_FILED_KEYS)
