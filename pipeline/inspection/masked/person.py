"""All that is held of a person, as whoever asks may see it."""

from __future__ import annotations

from typing import Any

from pipeline.inspection.masked.told import mask_stored_row
from pipeline.permissions.sight import MASKED_OUTCOME, sees_masked
from pipeline.privacy.exporting.exports import export_people
from pipeline.privacy.subjects import Asked


def read_person(asked: Asked) -> dict[str, Any]:
    """As JSON has it, with an entry of the audit log which says whether values were shown or their shapes. Raises
    UsageError, NotFoundError."""
    is_masked = sees_masked()
    made = export_people(asked, action="person.read", outcome=MASKED_OUTCOME if is_masked else "done").data()
    if not is_masked:
        return made
    tables = {table: [mask_stored_row(table, row) for row in rows] for table, rows in made["tables"].items()}
    return {**made, "tables": tables}
