"""What is retired for its age: approved rules, runs, counts, and the events of which nothing may go.

A program of before knows none of it and retires nothing.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE retention_rules (
    rule text NOT NULL,
    seconds bigint NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT now(),
    approved_by text NOT NULL,
    CONSTRAINT retention_rules_pkey PRIMARY KEY (rule)
);
CREATE TABLE retention_runs (
    what text NOT NULL,
    began_at timestamptz NOT NULL,
    after text,
    ended_at timestamptz,
    retired bigint NOT NULL DEFAULT 0,
    CONSTRAINT retention_runs_pkey PRIMARY KEY (what)
);
CREATE TABLE retired (
    day date NOT NULL,
    what text NOT NULL,
    brand text NOT NULL,
    source text NOT NULL,
    count bigint NOT NULL DEFAULT 0,
    CONSTRAINT retired_pkey PRIMARY KEY (day, what, brand, source)
);
"""
# By the evidence of who is who, as an event that a revision took the place of names no person; and all of a record.
_VIEW = """
CREATE VIEW events_kept AS
WITH own (event_id) AS (
    SELECT x.event_id FROM people_kept k JOIN evidence v ON v.person_id = k.person_id
        JOIN evidence_events x ON x.evidence_id = v.evidence_id
    UNION
    SELECT a.event_id FROM people_kept k JOIN evidence v ON v.person_id = k.person_id
        JOIN activities a ON a.evidence_id = v.evidence_id
    UNION
    SELECT t.event_id FROM people_kept k JOIN touches t ON t.person_id = k.person_id
    UNION
    SELECT c.event_id FROM people_kept k JOIN consents c ON c.person_id = k.person_id
)
SELECT event_id FROM own
UNION
SELECT other.event_id FROM own JOIN events e ON e.event_id = own.event_id
    JOIN events other ON other.record_id = e.record_id
UNION
SELECT e.record_id FROM own JOIN events e ON e.event_id = own.event_id WHERE e.record_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_VIEW)
