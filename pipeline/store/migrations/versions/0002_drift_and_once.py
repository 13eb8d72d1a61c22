"""What mappings have not decided about, counted; and what was last confirmed sent of the fields written once."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DRIFT = """
CREATE TABLE drift (
    brand text NOT NULL, source text NOT NULL,
    mapping_version text NOT NULL,
    path text NOT NULL,
    leads bigint NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT drift_pkey PRIMARY KEY (source, brand, mapping_version, path)
);
ALTER TABLE deliveries ADD COLUMN once_digest bytea;
"""


def upgrade() -> None:
    op.execute(_DRIFT)
