"""The body of a request with several records is stored once; its events point into it (docs/decisions/0021)."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE event_bodies ADD COLUMN request_id uuid;

CREATE TABLE request_bodies (
    request_id uuid NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT request_bodies_pkey PRIMARY KEY (request_id)
) PARTITION BY RANGE (request_id);
-- Ciphertext does not compress: EXTERNAL spares the server the attempt.
ALTER TABLE request_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE TABLE request_bodies_default PARTITION OF request_bodies DEFAULT;
"""


def upgrade() -> None:
    op.execute(_TABLES)
