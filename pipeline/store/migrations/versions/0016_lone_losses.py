"""How often an event lost its worker while it stood alone: only that speaks against the event.

A program of before counts on as it did, and may run beside this one.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE events ADD COLUMN lone_losses smallint NOT NULL DEFAULT 0")
