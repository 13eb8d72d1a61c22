"""Rows of tables, and all that is held of a person, by the shape of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.permissions.sight import MASKED_OUTCOME, sees_masked
from pipeline.privacy.exporting.exports import export_people
from pipeline.privacy.inventory import PERSONAL, inventory
from pipeline.privacy.subjects import Asked
from pipeline.values.masking import mask_value

FREE_TEXTS = frozenset(  # of people's attribution: as a link was tagged
    {"original_source", "latest_source", "original_campaign", "latest_campaign"}
)


def read_person(asked: Asked) -> dict[str, Any]:
    """As JSON has it, with an entry of the audit log which says whether values were shown or their shapes. Raises
    UsageError, NotFoundError."""
    is_masked = sees_masked()
    made = export_people(asked, action="person.read", outcome=MASKED_OUTCOME if is_masked else "done").data()
    if not is_masked:
        return made
    tables = {table: [mask_stored_row(table, row) for row in rows] for table, rows in made["tables"].items()}
    return {**made, "tables": tables}


def mask_stored_row(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of a table: by the inventory."""
    columns = inventory()[table].columns
    clear = frozenset(name for name, column in columns.items() if column.kind not in PERSONAL) - FREE_TEXTS
    return {name: value if name in clear else mask_value(value) for name, value in row.items()}
