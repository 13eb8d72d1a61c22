"""The audit log as rows, for whoever keeps it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import msgspec
from sqlalchemy import Connection

from pipeline.store.audit.entries import AuditEntry, read_actions, stream_entries

COLUMNS = AuditEntry.__struct_fields__


def export_entries(
    connection: Connection,
    *,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    action: str | None = None,
    object_id: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Entries chain by chain, oldest first, in constant memory; hashes and digests in hexadecimal. `action` may be a
    noun: all that was done with it."""
    found = stream_entries(connection, brand=brand, since=since, until=until, action=action, object_id=object_id)
    for entry in found:
        row = msgspec.structs.asdict(entry)
        yield {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def say_unrecorded(connection: Connection, action: str, brand: str | None = None) -> str | None:
    """That no entry has this action or noun, with those that some have; None if one has it."""
    actions = read_actions(connection, brand)
    nouns = {known.partition(".")[0] for known in actions}
    if action in nouns or action in actions:
        return None
    near = get_close_matches(action, [*actions, *sorted(nouns)], 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"no entry has the action {action!r}{meant}; there are: {', '.join(actions) or 'none'}"
