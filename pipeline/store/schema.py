"""Brings a database to the tables this program needs: migrations, monthly partitions, the keyring."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger
from pipeline.store import keyring, remains
from pipeline.store.engine import transaction, translate
from pipeline.store.identity import notices
from pipeline.store.keys import in_use, index_keys
from pipeline.store.roles.setup import drop_views, renew_grants

_PARTITIONED = {"events": "event_id", "event_bodies": "event_id", "request_bodies": "request_id"}  # table -> its key
_MIGRATION_LOCK = 4_150_226_013  # any constant: "only one migrates at a time"
_LOCK_WAIT_SECONDS = 120  # for another process's migration
_TABLE_LOCK_WAIT_SECONDS = 10  # a statement that waits longer for a table stops everybody behind it: give up instead

# State changes three times per event and each leaves a dead row: vacuum early.
_EVENT_STORAGE = "autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.5"
_log = get_logger(__name__)


def migrate(engine: Engine) -> None:
    """Bring the database up to date. Safe while others do the same or work: one at a time, and no table is waited for
    longer than 10 s. Raises TransientError if that was too short, ConfigurationError if the database is newer than
    this program, or if what it holds needs a key that is not set."""
    from alembic import command
    from alembic.util import CommandError

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _alembic_config()
    has_views = drop_views(engine)  # a table cannot change under a view
    try:
        with engine.connect() as connection:
            connection.detach()  # its session settings and lock end with it, whatever happens
            connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_WAIT_SECONDS}s'; SET statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_MIGRATION_LOCK})")
            connection.exec_driver_sql(f"SET lock_timeout = '{_TABLE_LOCK_WAIT_SECONDS}s'")
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except CommandError as error:
        raise ConfigurationError(
            f"the database was migrated by a newer version of this program ({error}): install that version"
        ) from error
    except DBAPIError as error:
        raise translate(error) from None
    if has_views:
        renew_grants(engine)
    with transaction(on=engine) as connection:
        ensure_partitions(connection)
    with transaction(on=engine) as connection:
        in_use.note_sealing_key(connection)
        in_use.require_keys(connection)
        keyring.ensure_index_key(connection)
        index_keys.require_index_keys(connection)
        notices.settle_restored(connection)
    with transaction(on=engine) as connection:
        remains.keep_out_of_statistics(connection)


def is_current(engine: Engine) -> bool:
    """True if the database has exactly the tables of this program's last migration."""
    with transaction(on=engine) as connection:
        if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is None:
            return False
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == _last_migration()


@cache
def _last_migration() -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic_config()).get_current_head()


def ensure_partitions(connection: Connection, months_ahead: int = 3, *, now: datetime | None = None) -> list[str]:
    """Make the monthly partitions from this month on; gives the names of those made.

    A month whose rows already lie in the default partition is left there (moving them would block intake) and logged:
    everything works, only that month is not a table of its own. Makes none while another process is making some.
    """
    if not remains.changes_columns_alone(connection):
        return []
    first = now or datetime.now(UTC)
    made = []
    for ahead in range(months_ahead + 1):
        begin = _month(first, ahead)
        made += [
            f"{table}_{begin:%Y%m}"
            for table in _PARTITIONED
            if _ensure_partition(connection, table, begin, _month(first, ahead + 1))
        ]
    if made:
        remains.keep_out_of_statistics(connection)
    return made


def month_bound(moment: datetime) -> UUID:
    """The least UUID version 7 of a moment: what separates two partitions."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def is_partition(table: str) -> bool:
    """Whether a table's name is that of a partition made here."""
    name, _, suffix = table.rpartition("_")
    return name in _PARTITIONED and (suffix == "default" or (suffix.isdigit() and len(suffix) == 6))


def _ensure_partition(connection: Connection, table: str, begin: datetime, end: datetime) -> bool:
    name, key = f"{table}_{begin:%Y%m}", _PARTITIONED[table]
    bounds: dict[str, Any] = {"begin": month_bound(begin), "end": month_bound(end)}
    if connection.exec_driver_sql("SELECT to_regclass(%s)", (name,)).scalar() is not None:
        return False
    try:
        # The savepoint confines a failure; another process may be making the same partition.
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_WAIT_SECONDS}s'")
            taken = connection.exec_driver_sql(
                f"SELECT 1 FROM {table}_default WHERE {key} >= %(begin)s AND {key} < %(end)s LIMIT 1",  # noqa: S608 - put together from constants
                bounds,
            ).scalar()
            if taken:
                _log.warning("partition_left_in_default", partition=name)
                return False
            # LIKE and ATTACH rather than PARTITION OF: the parent stays readable and writable meanwhile.
            storage = f" WITH ({_EVENT_STORAGE})" if table == "events" else ""
            connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL){storage}")
            connection.exec_driver_sql(
                f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM (%(begin)s) TO (%(end)s)", bounds
            )
    except DBAPIError as error:
        _log.warning("partition_not_made", partition=name, error=str(translate(error)))
        return False
    return True


def _month(moment: datetime, ahead: int) -> datetime:
    months = moment.year * 12 + moment.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _alembic_config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "pipeline.store:migrations")
    return config
