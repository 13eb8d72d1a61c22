"""Records that a CRM had before us, or beside us: which there are, and whose each is.

What a record says of who it is, is evidence: a record's id stands in `evidence_events` as an event's does. No program
of before asks for these tables, so it may run beside this one.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_RECORDS = """
CREATE TABLE crm_records (
    record_id uuid NOT NULL,
    destination text NOT NULL,
    brand text NOT NULL,
    crm_id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    person_id uuid,
    is_keyed boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'there',
    run integer NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT crm_records_pkey PRIMARY KEY (record_id),
    CONSTRAINT crm_records_state_known CHECK (state IN ('there', 'gone', 'passed_over'))
);
CREATE INDEX crm_records_destination ON crm_records (destination, number);
CREATE INDEX crm_records_person ON crm_records (person_id) WHERE person_id IS NOT NULL;
CREATE TABLE crm_adoptions (
    destination text NOT NULL,
    run integer NOT NULL,
    cursor text,
    pages integer NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CONSTRAINT crm_adoptions_pkey PRIMARY KEY (destination)
);
"""


def upgrade() -> None:
    op.execute(_RECORDS)
