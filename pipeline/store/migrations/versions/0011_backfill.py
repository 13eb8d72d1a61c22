"""What a backfill goes by: by which mapping, under which key and with which content a CRM was last told of a person; and
since when each destination has been wanted for the people of each brand. Beside it which connector reads the leads of a
source, for when the source is taken out of the settings.
"""

from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

# NULL in a delivery of before: not known. No row in the table: nobody has been routed there since the update.
_EXPAND = """
ALTER TABLE deliveries ADD COLUMN mapping_version text;
ALTER TABLE deliveries ADD COLUMN content_id uuid;
ALTER TABLE deliveries ADD COLUMN sent_as text;
CREATE TABLE destinations_in_force (
    destination text NOT NULL, brand text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT destinations_in_force_pkey PRIMARY KEY (destination, brand)
);
CREATE TABLE source_connectors (
    source text NOT NULL,
    connector text NOT NULL,
    CONSTRAINT source_connectors_pkey PRIMARY KEY (source)
);
"""


def upgrade() -> None:
    op.execute(_EXPAND)
