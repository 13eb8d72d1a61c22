"""The first tables."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
-- Digests come first in keys: they differ at once, where brand and source would be compared in vain at each level.
CREATE TABLE event_keys (
    brand text NOT NULL, source text NOT NULL, digest bytea NOT NULL,
    event_id uuid NOT NULL,
    repeats integer NOT NULL DEFAULT 0,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_keys_pkey PRIMARY KEY (digest, source, brand)
);

CREATE TABLE events (
    event_id uuid NOT NULL,
    brand text NOT NULL, source text NOT NULL, lane text NOT NULL,
    external_id text,
    received_at timestamptz NOT NULL DEFAULT now(),
    occurred_at timestamptz,
    state text NOT NULL DEFAULT 'pending',
    stage text,
    attempts smallint NOT NULL DEFAULT 0,
    losses smallint NOT NULL DEFAULT 0,
    batch_size smallint NOT NULL DEFAULT 0,
    claim uuid,
    lease_until timestamptz,
    mapping_version text,
    person_id uuid,
    reason text,
    channel text,
    settled_at timestamptz,
    CONSTRAINT events_pkey PRIMARY KEY (event_id),
    CONSTRAINT events_lane_known CHECK (lane IN ('hot', 'bulk')),
    CONSTRAINT events_state_known CHECK (state IN ('pending', 'in_flight', 'settled', 'quarantined', 'suppressed')),
    CONSTRAINT events_reason_known CHECK (reason IN ('test', 'erased', 'no_consent', 'spam'))
) PARTITION BY RANGE (event_id);
CREATE INDEX events_fresh ON events (lane, event_id) WHERE state = 'pending' AND losses = 0;
CREATE INDEX events_lost ON events (lane, claim, event_id) WHERE state = 'pending' AND losses > 0;
CREATE INDEX events_in_flight ON events (lane, claim) WHERE state = 'in_flight';
CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE TABLE event_bodies (
    event_id uuid NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT event_bodies_pkey PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);
-- Ciphertext does not compress: EXTERNAL spares the server the attempt.
ALTER TABLE event_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE TABLE event_bodies_default PARTITION OF event_bodies DEFAULT;

CREATE TABLE people (
    person_id uuid NOT NULL,
    brand text NOT NULL,
    version integer NOT NULL,
    profile bytea NOT NULL,
    original_source text, original_channel text, original_campaign text, original_at timestamptz, original_event uuid,
    latest_source text, latest_channel text, latest_campaign text, latest_at timestamptz, latest_event uuid,
    owner text,
    touches integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT people_pkey PRIMARY KEY (person_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE people ALTER COLUMN profile SET STORAGE EXTERNAL;

CREATE TABLE match_keys (
    brand text NOT NULL, kind text NOT NULL, digest bytea NOT NULL,
    person_id uuid NOT NULL,
    first_event uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT match_keys_pkey PRIMARY KEY (digest, kind, brand)
);
CREATE INDEX match_keys_person ON match_keys (person_id);

CREATE TABLE touches (
    event_id uuid NOT NULL,
    person_id uuid NOT NULL,
    brand text NOT NULL,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL, channel text NOT NULL, campaign text,
    utm_source text, utm_medium text, utm_campaign text, utm_term text, utm_content text, utm_id text,
    click_ids jsonb NOT NULL DEFAULT '{}',
    referrer_host text, landing_path text,
    details jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT touches_pkey PRIMARY KEY (event_id)
);
CREATE INDEX touches_person ON touches (person_id);

CREATE TABLE consents (
    event_id uuid NOT NULL, purpose text NOT NULL, channel text NOT NULL,
    person_id uuid NOT NULL,
    brand text NOT NULL,
    granted boolean,
    at timestamptz NOT NULL,
    source text,
    policy_version text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT consents_pkey PRIMARY KEY (event_id, purpose, channel)
);
CREATE INDEX consents_person ON consents (person_id);

CREATE TABLE deliveries (
    destination text NOT NULL,
    person_id uuid NOT NULL,
    brand text NOT NULL,
    lane text NOT NULL,
    wanted_version integer NOT NULL,
    sent_version integer NOT NULL DEFAULT 0,
    external_id text,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    wanted_at timestamptz NOT NULL DEFAULT now(),
    claim uuid,
    lease_until timestamptz,
    last_error text,
    last_error_at timestamptz,
    loaded_at timestamptz,
    CONSTRAINT deliveries_pkey PRIMARY KEY (person_id, destination),
    CONSTRAINT deliveries_lane_known CHECK (lane IN ('hot', 'bulk')),
    CONSTRAINT deliveries_state_known CHECK (state IN ('due', 'in_flight', 'sent', 'quarantined'))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX deliveries_due ON deliveries (destination, lane, next_attempt_at) WHERE state = 'due';
CREATE INDEX deliveries_in_flight ON deliveries (claim) WHERE state = 'in_flight';
CREATE INDEX deliveries_failed ON deliveries (destination, last_error_at) WHERE last_error IS NOT NULL;

CREATE TABLE delivery_log (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    destination text NOT NULL,
    person_id uuid NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    outcome text NOT NULL,
    code text,
    message text,
    call_id uuid NOT NULL,
    CONSTRAINT delivery_log_pkey PRIMARY KEY (id)
);
CREATE INDEX delivery_log_person ON delivery_log (person_id);

CREATE TABLE quarantine (
    quarantine_id uuid NOT NULL,
    event_id uuid,
    destination text, person_id uuid,
    brand text NOT NULL,
    source text,
    stage text NOT NULL,
    code text NOT NULL,
    field text,
    message text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    resolution text NOT NULL DEFAULT 'open',
    resolved_at timestamptz,
    why text,
    patch bytea,
    CONSTRAINT quarantine_pkey PRIMARY KEY (quarantine_id),
    CONSTRAINT quarantine_resolution_known CHECK (resolution IN ('open', 'replayed', 'discarded', 'fixed')),
    CONSTRAINT quarantine_of_one_thing
        CHECK ((event_id IS NULL) = (destination IS NOT NULL AND person_id IS NOT NULL))
);
CREATE INDEX quarantine_event ON quarantine (event_id) WHERE event_id IS NOT NULL;
CREATE UNIQUE INDEX quarantine_open_event ON quarantine (event_id) WHERE resolution = 'open';
CREATE UNIQUE INDEX quarantine_open_delivery ON quarantine (person_id, destination)
    WHERE resolution = 'open' AND destination IS NOT NULL;

CREATE TABLE cursors (
    brand text NOT NULL, source text NOT NULL, stream text NOT NULL,
    position text,
    updated_at timestamptz,
    last_error text,
    last_run_at timestamptz,
    next_run_at timestamptz,
    CONSTRAINT cursors_pkey PRIMARY KEY (brand, source, stream)
);

CREATE TABLE keyring (
    name text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT keyring_pkey PRIMARY KEY (name)
);
"""

# Locks match keys until the transaction ends, so that only one worker decides about a person at a time. The server's
# lock table is shared by all sessions and bounded (max_locks_per_transaction * max_connections), and a batch has many
# keys: so a transaction with more than a handful first takes a permit, and there are only as many permits of a size as
# a quarter of the table holds keys. Permits come first, in order, and so do keys: no cycle of waiting is possible.
# What no quarter can hold is refused; the flow then halves the batch, as it does whenever one cannot be worked on.
_LOCK_KEYS = """
CREATE FUNCTION lock_match_keys(keys bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    quarter constant integer := current_setting('max_locks_per_transaction')::integer
        * (current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer) / 4;
    wanted constant integer := cardinality(keys);
    size constant integer := CASE WHEN wanted <= 512 THEN 512 ELSE 2048 END;
    permits constant integer := greatest(1, quarter / size);
    has_permit boolean := wanted <= 8;
BEGIN
    IF wanted > quarter THEN
        RAISE EXCEPTION 'a batch has % match keys, this server can lock % for one transaction', wanted, quarter
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    IF wanted > size THEN
        FOR permit IN 0 .. permits - 1 LOOP
            PERFORM pg_advisory_xact_lock(size, permit);
        END LOOP;
        has_permit := true;
    END IF;
    FOR permit IN 0 .. permits - 1 LOOP
        EXIT WHEN has_permit;
        has_permit := pg_try_advisory_xact_lock(size, permit);
    END LOOP;
    IF NOT has_permit THEN
        PERFORM pg_advisory_xact_lock(size, floor(random() * permits)::integer);
    END IF;
    FOR place IN 1 .. wanted LOOP
        PERFORM pg_advisory_xact_lock(keys[place]);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_LOCK_KEYS)
