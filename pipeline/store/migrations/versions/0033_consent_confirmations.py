"""Ticks that wait to be confirmed, and messages that ask other systems to have them confirmed.

A program of before asks for nothing, as it knows no source that wants it. Tables alone, at once.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_ASKED = """
CREATE TABLE consent_confirmations (
    confirmation_id uuid NOT NULL,
    digest bytea NOT NULL,
    event_id uuid NOT NULL,
    person_id uuid NOT NULL,
    brand text NOT NULL,
    source text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    asked_at timestamptz,
    last_error text,
    confirmed_at timestamptz,
    CONSTRAINT consent_confirmations_pkey PRIMARY KEY (confirmation_id)
);
CREATE UNIQUE INDEX consent_confirmations_digest ON consent_confirmations (digest);
CREATE INDEX consent_confirmations_event ON consent_confirmations (event_id);
CREATE INDEX consent_confirmations_person ON consent_confirmations (person_id);
CREATE INDEX consent_confirmations_due ON consent_confirmations (next_attempt_at)
    WHERE by = 'mail' AND asked_at IS NULL AND confirmed_at IS NULL;
"""
_TELL = """
CREATE FUNCTION webhook_tell_of_confirmations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_messages (endpoint, event, brand, subject_id, person_id, event_id)
    SELECT e.name, 'consent.confirmation_requested', told.brand, md5(told.person_id::text || ' consents')::uuid,
        told.person_id, told.event_id
    FROM (SELECT DISTINCT brand, person_id, event_id FROM after WHERE by = 'webhook') AS told
    JOIN webhook_endpoints e ON e.is_declared AND 'consent.confirmation_requested' = ANY(e.events)
        AND (e.brands IS NULL OR told.brand = ANY(e.brands))
    ORDER BY told.event_id, e.name;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_tell_of_confirmations AFTER INSERT ON consent_confirmations REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION webhook_tell_of_confirmations();
"""


def upgrade() -> None:
    op.execute(_ASKED)
    op.execute(_TELL)
