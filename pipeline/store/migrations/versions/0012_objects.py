"""Objects of a CRM beside a person's record: companies, and the touches that become tasks there. What is wanted of a
record may be that it is gone.

A delivery of another object stands under the destination's name and the object's, `crm/Account`, and its `person_id` is
the id of what it stands for: no program of before asks for such rows, so it may run beside this one.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The defaults are what every row of before means.
_DELIVERIES = """
ALTER TABLE deliveries ADD COLUMN wanted text NOT NULL DEFAULT 'present';
ALTER TABLE deliveries ADD COLUMN parent_id uuid;
ALTER TABLE deliveries ADD COLUMN links_id uuid;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_wanted_known CHECK (wanted IN ('present', 'absent')) NOT VALID;
"""
_COMPANIES = """
CREATE TABLE companies (
    company_id uuid NOT NULL,
    brand text NOT NULL,
    key_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT companies_pkey PRIMARY KEY (company_id)
);
CREATE UNIQUE INDEX companies_key ON companies (brand, key_id);
CREATE TABLE person_companies (
    person_id uuid NOT NULL,
    company_id uuid NOT NULL,
    values_id uuid NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT person_companies_pkey PRIMARY KEY (person_id)
);
CREATE INDEX person_companies_company ON person_companies (company_id, changed_at);
"""


def upgrade() -> None:
    op.execute(_DELIVERIES)
    op.execute("ALTER TABLE deliveries VALIDATE CONSTRAINT deliveries_wanted_known")
    op.execute(_COMPANIES)
