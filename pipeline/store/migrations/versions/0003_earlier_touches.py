"""An event may bring several touches, and each says by which rules its channel was found.

The wider key is built while touches cannot be written: about a second per million of them. Workers wait, or try again.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The program before this one writes touches without the new columns (their position is then 0, as it should be), and
# finds what it knows under ON CONFLICT DO NOTHING, whatever the key.
_TOUCHES = """
ALTER TABLE touches
    ADD COLUMN position smallint NOT NULL DEFAULT 0,
    ADD COLUMN medium text,
    ADD COLUMN rules_version text;
ALTER TABLE touches
    DROP CONSTRAINT touches_pkey,
    ADD CONSTRAINT touches_pkey PRIMARY KEY (event_id, position);
ALTER TABLE people
    ADD COLUMN original_position smallint NOT NULL DEFAULT 0,
    ADD COLUMN latest_position smallint NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    op.execute(_TOUCHES)
