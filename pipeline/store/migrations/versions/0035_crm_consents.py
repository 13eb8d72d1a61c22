"""What people took back in a CRM: how far each object was read, and what each record said.

A program of before knows none of it and reads nothing.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE crm_consent_reads (
    destination text NOT NULL,
    object text NOT NULL,
    settings_digest text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    watermark timestamptz,
    began_at timestamptz,
    latest timestamptz,
    cursor text,
    read_at timestamptz,
    next_run_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    failures integer NOT NULL DEFAULT 0,
    CONSTRAINT crm_consent_reads_pkey PRIMARY KEY (destination, object)
);
CREATE TABLE crm_consents (
    destination text NOT NULL,
    object text NOT NULL,
    crm_id text NOT NULL,
    field text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    changed_at timestamptz NOT NULL,
    person_id uuid,
    event_id uuid,
    CONSTRAINT crm_consents_pkey PRIMARY KEY (destination, object, crm_id, field, purpose, channel),
    CONSTRAINT crm_consents_state_known CHECK (state IN ('withdrawn', 'granted'))
);
CREATE INDEX crm_consents_person ON crm_consents (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX crm_consents_event ON crm_consents (event_id) WHERE event_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(_TABLES)
