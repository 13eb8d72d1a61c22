"""The audit log as rows, for whoever keeps it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from pipeline.store.audit.entries import AuditEntry, stream_entries

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
