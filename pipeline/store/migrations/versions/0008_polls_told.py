"""What a poll knows of itself: whose address its position is, with which settings it ran, how often it failed in a row.

Rows of the version before have none of it: their position is taken to belong to the address that is set now.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE cursors
            ADD COLUMN held_until timestamptz,
            ADD COLUMN failures integer NOT NULL DEFAULT 0,
            ADD COLUMN read_from text,
            ADD COLUMN settings_digest text,
            ADD COLUMN note text,
            ADD COLUMN noted_at timestamptz
        """
    )
