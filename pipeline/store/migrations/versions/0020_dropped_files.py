"""Files of drop folders that were read, so that the same bytes again are known.

A program of before knows no drop folders and leaves the table alone.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE dropped_files (
    brand text NOT NULL,
    source text NOT NULL,
    content_id uuid NOT NULL,
    file_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'reading',
    read_as text NOT NULL,
    rows_done bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0,
    repeated bigint NOT NULL DEFAULT 0,
    revised bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dropped_files_pkey PRIMARY KEY (brand, source, content_id),
    CONSTRAINT dropped_files_state_check CHECK (state IN ('reading', 'read', 'archived', 'rejected'))
);
"""


def upgrade() -> None:
    op.execute(_TABLE)
