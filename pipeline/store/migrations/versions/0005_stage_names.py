"""One name for a stage: `map_fields`, as its task is called. What stopped at a bug there stood under `map`.

Workers of the version before may go on meanwhile: they write either word, and no statement of theirs reads this one.
A row that they write as `map` after this stays so; it is found, shown and replayed like any other.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# An event has a stage only while it is quarantined; one that was replayed keeps none, whatever its old rows say.
_RENAME = """
WITH renamed AS (
    UPDATE quarantine SET stage = 'map_fields' WHERE stage = 'map' RETURNING event_id
)
UPDATE events SET stage = 'map_fields' FROM renamed
WHERE events.event_id = renamed.event_id AND events.stage = 'map'
"""


def upgrade() -> None:
    op.execute(_RENAME)
