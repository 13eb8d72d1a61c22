"""Which connector reads a source's leads, kept for when the source is taken out of the settings."""

from __future__ import annotations

from functools import cache

from pipeline.store.engine import transaction

_NOTE = """
INSERT INTO source_connectors AS known (source, connector) VALUES (%s, %s)
ON CONFLICT (source) DO UPDATE SET connector = excluded.connector WHERE known.connector <> excluded.connector
"""
# Of a source that was gone before anybody noted it, what a settled lead went through tells it: `web_form@1+0123abcd`.
_OF_LEADS = """
SELECT connector FROM source_connectors WHERE source = %(source)s
UNION ALL
(SELECT split_part(mapping_version, '@', 1) FROM events
 WHERE source = %(source)s AND mapping_version IS NOT NULL LIMIT 1)
LIMIT 1
"""


@cache
def note_connector(source: str, connector: str) -> None:
    """Keep which connector reads a source. Once in a process, in a transaction of its own."""
    with transaction(synchronous=False) as connection:
        connection.exec_driver_sql(_NOTE, (source, connector))


@cache
def remembered_connector(source: str) -> str | None:
    """The connector that last read a source, or None. Asked once in a process, in a transaction of its own."""
    with transaction(synchronous=False, timeout_seconds=0) as connection:
        return connection.exec_driver_sql(_OF_LEADS, {"source": source}).scalar()
