"""What PostgreSQL keeps of rows that were deleted, and how it goes: old row versions, indexes, statistics, the log.

A deleted row stays in its table's file until its page is written anew, in indexes until they are, in the write-ahead
log until its segments are written over, and a frequent value in the planner's statistics. docs/decisions/0042 tells
what was measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pipeline.errors import TransientError
from pipeline.logs import get_logger
from pipeline.store.engine import engine, translate

# Columns that hold something of a person and that no plan depends on: without statistics none of their values stands
# in pg_statistic. A test holds this list to the inventory of columns.
WITHOUT_STATISTICS = {
    "events": ("external_id",),
    "event_bodies": ("sealed", "fetched"),
    "request_bodies": ("sealed",),
    "quarantine": ("message", "why", "patch"),
    "evidence": ("sealed",),
    "people": ("profile",),
    "touches": ("landing_path", "referrer_host", "click_ids", "details", "utm_term", "utm_content"),
    "activities": ("sealed", "sealed_evidence"),
    "deliveries": ("external_id", "last_error", "once_digest"),
    "delivery_log": ("message",),
    "delivery_jobs": ("records",),
    "crm_consents": ("crm_id",),
    "crm_records": ("crm_id",),
    "identity_log": ("details",),
    "identity_reviews": ("pieces",),
    "identity_decisions": ("why",),
}
_LOCK_SECONDS = 10  # whoever wants the table stands behind us for so long at the most
_OLD_READERS_SECONDS = 60.0
_SEGMENTS_AT_ONCE = 1_024  # 16 GB of log: more than any setting of ours keeps
_NOT_ALLOWED, _LOCKED = "42501", "55P03"
_log = get_logger(__name__)


class Rewritten(NamedTuple):
    """A table after it was swept. `way`: rewritten (nothing of deleted rows is left in it), vacuumed (page gaps may
    hold some until they are used again) or left (others were at it)."""

    table: str
    way: str
    bytes: int


def keep_out_of_statistics(connection: Connection) -> int:
    """See that no value of a person gets into the planner's statistics, and take out those that are there; gives how
    many columns that was news for. Two statements where nothing is, and nobody waits for them. Nothing while another
    process does it, or makes partitions: that one sees to it itself."""
    if not changes_columns_alone(connection):
        return 0
    names = sorted(WITHOUT_STATISTICS)
    rows = connection.exec_driver_sql(
        "SELECT coalesce(parent.relname, c.relname), c.relname, a.attname FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
        " LEFT JOIN pg_class parent ON parent.oid = i.inhparent"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0"
        " AND coalesce(parent.relname, c.relname) = ANY(%s::text[]) AND coalesce(a.attstattarget, -1) <> 0",
        ("{" + ",".join(names) + "}",),
    )
    found = [(table, column) for family, table, column in rows if column in WITHOUT_STATISTICS[family]]
    for table, column in found:
        connection.exec_driver_sql(f'ALTER TABLE ONLY "{table}" ALTER COLUMN "{column}" SET STATISTICS 0')
    if found and connection.exec_driver_sql("SELECT current_setting('server_version_num')::int").scalar_one() >= 180000:
        for table, column in found:
            connection.exec_driver_sql(
                "SELECT pg_clear_attribute_stats('public', %s, %s, inherited) FROM (VALUES (true), (false))"
                " AS both_kinds (inherited)",
                (table, column),
            )
    return len(found)


def changes_columns_alone(connection: Connection) -> bool:
    """Whether this transaction, and no other until it ends, makes partitions and keeps columns out of the statistics:
    two that lock the same tables in different orders would wait for each other."""
    return bool(connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(415022, 4)").scalar_one())


def sweep_tables(*, most_bytes: int) -> Iterator[Rewritten]:
    """Write every table of at most this size anew, with its indexes; of greater ones free the pages and write the
    indexes anew. While a table is rewritten nobody else can use it. Raises TransientError if the
    database is away."""
    with _alone(engine()) as connection:
        _wait_for_old_readers(connection)
        tables = connection.exec_driver_sql(
            "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 2, 1"
        ).all()
        for table, size in tables:
            yield Rewritten(table, _sweep_table(connection, table, is_rewritten=size <= most_bytes), size)
        if _is_superuser(connection):
            connection.exec_driver_sql("VACUUM (FULL) pg_statistic")


def _sweep_table(connection: Connection, table: str, *, is_rewritten: bool) -> str:
    try:
        if is_rewritten:
            connection.exec_driver_sql(f'VACUUM (FULL, ANALYZE) "{table}"')
            return "rewritten"
        connection.exec_driver_sql(f'VACUUM (ANALYZE) "{table}"')
        connection.exec_driver_sql(f'REINDEX TABLE CONCURRENTLY "{table}"')
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != _LOCKED:
            raise
        return "left"
    return "vacuumed"


def _wait_for_old_readers(connection: Connection) -> None:
    """Rows that an older transaction may still want to see would be copied along."""
    (began,) = connection.exec_driver_sql("SELECT clock_timestamp()").one()
    ends_at = time.monotonic() + _OLD_READERS_SECONDS
    while time.monotonic() < ends_at:
        if not connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL AND xact_start < %s"
            " AND backend_type = 'client backend')",
            (began,),
        ).scalar_one():
            return
        time.sleep(0.2)
    raise TransientError(
        f"a transaction has been open for more than {_OLD_READERS_SECONDS:.0f} s, and what it may still see cannot be"
        " swept: end it (pg_stat_activity names it), and run this again"
    )


class Overwritten(NamedTuple):
    """The write-ahead log after the sweep. `segments`: how many were written over. `elsewhere`: where else it is kept,
    in words."""

    segments: int
    elsewhere: list[str]


def overwrite_log() -> Overwritten:
    """Have every segment of the write-ahead log that is there now written over or removed. Writes as much as there is
    of it: 16 MB each.

    Old segments are kept under coming names, with their content, until their turn. A switch fills up the rest of one
    with zeros. Raises PermissionError where this account may not do that.
    """
    with _alone(engine()) as connection:
        elsewhere = _other_places(connection)
        try:
            _switch(connection)
            connection.exec_driver_sql("CHECKPOINT")  # what it needs no more is removed, or waits under a coming name
            last = connection.exec_driver_sql(
                "SELECT max(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"
            ).scalar_one()
            segments = 0
            while segments < _SEGMENTS_AT_ONCE and _current(connection) <= last:
                _switch(connection)
                segments += 1
            connection.exec_driver_sql("CHECKPOINT")
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) == _NOT_ALLOWED:
                raise PermissionError(
                    "the database's account may not do that: give it pg_checkpoint, and EXECUTE on pg_switch_wal() and"
                    " pg_ls_waldir()"
                ) from None
            raise
    return Overwritten(segments, elsewhere)


def _switch(connection: Connection) -> None:
    """Nothing is switched where nothing was written since."""
    connection.exec_driver_sql("SELECT pg_logical_emit_message(false, 'afluente', 'sweep')")
    connection.exec_driver_sql("SELECT pg_switch_wal()")


def _current(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").scalar_one())


def _other_places(connection: Connection) -> list[str]:
    archives, slots = connection.exec_driver_sql(
        "SELECT current_setting('archive_mode') <> 'off', (SELECT count(*) FROM pg_replication_slots)"
    ).one()
    places = ["the archive of the log (archive_mode is on)"] if archives else []
    return [*places, f"{slots} replication slots and what reads them"] if slots else places


def _is_superuser(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql("SELECT current_setting('is_superuser') = 'on'").scalar_one())


@contextmanager
def _alone(on: Engine) -> Iterator[Connection]:
    """A connection of its own, outside transactions, without a limit of time, that waits briefly for locks."""
    try:
        with on.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()
            connection.exec_driver_sql(f"SET statement_timeout = 0; SET lock_timeout = '{_LOCK_SECONDS}s'")
            yield connection
    except DBAPIError as error:
        raise translate(error) from None
