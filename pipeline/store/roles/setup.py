"""The roles put into a database, and shown as SQL for one's own server."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine

from pipeline.store.engine import transaction
from pipeline.store.roles.reading import drop_statements, table_statements, view_statements
from pipeline.store.roles.statements import (
    LOGINS,
    OWNER,
    READ,
    READER_SETTINGS,
    grant_statements,
    ownership_statements,
    role_statements,
)

_PASSWORDS = "\n".join(rf"--   \password {role}" for role in LOGINS)
_HEAD = f"""\
-- Roles of the database of Afluente. Run it in that database, as a superuser, after `afluente migrate`; again after
-- each update, unless the update's `afluente migrate` ran as afluente_migrate. Nothing is lost by running it twice.
--   psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f roles.sql
-- Then give those that log in a password (psql asks for it and shows none):
{_PASSWORDS}"""
_FOOT = rf"""
-- A reader, here of the brand `north`; '*' stands for every brand:
--   CREATE ROLE anna LOGIN; GRANT {READ} TO anna; \password anna
--   INSERT INTO reading.brand_readers VALUES ('anna', 'north');
""" + "\n".join(f"--   ALTER ROLE anna SET {name} TO '{value}';" for name, value in READER_SETTINGS.items())  # noqa: S608 - shown, not run


def apply_roles(engine: Engine) -> None:
    """Make the roles, and put them and the readers' views into the database that is connected to.

    Needs to be a superuser, or the owner of everything who may make roles. One transaction. Raises TransientError and
    StoreError.
    """
    with transaction(on=engine, timeout_seconds=0) as connection:
        _run(connection, role_statements())
        _run(connection, ownership_statements())
        _apply_grants(connection)


def has_roles(connection: Connection) -> bool:
    """Whether the database has them, and the one who is connected may act as their owner."""
    return bool(
        connection.exec_driver_sql(
            "SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'MEMBER')), false) FROM pg_roles WHERE rolname = %s"
            " AND to_regnamespace('reading') IS NOT NULL",
            (OWNER,),
        ).scalar_one()
    )


def drop_views(engine: Engine) -> bool:
    """Take the readers' views away before a migration; False where there are no roles."""
    with transaction(on=engine) as connection:
        if not has_roles(connection):
            return False
        _run(connection, list(drop_statements(connection)))
    return True


def renew_grants(engine: Engine) -> None:
    """After a migration: new tables are the program's too, and have views."""
    with transaction(on=engine) as connection:
        _apply_grants(connection)


def roles_sql(connection: Connection) -> str:
    """All of it as a script for psql, with the views of the tables that are there now."""
    statements = [
        *role_statements(),
        *ownership_statements(),
        *table_statements(),
        *grant_statements(),
        *(f"DROP VIEW IF EXISTS {_view_of(made)}" for made in view_statements(connection) if made.startswith("CREATE")),
        *view_statements(connection),
    ]
    return "\n".join([_HEAD, "BEGIN;", *(f"{statement};" for statement in statements), "COMMIT;", _FOOT, ""])


def _view_of(statement: str) -> str:
    return statement.split(" ")[2]


def _apply_grants(connection: Connection) -> None:
    _run(connection, list(drop_statements(connection)))
    _run(connection, table_statements())
    _run(connection, grant_statements())
    _run(connection, list(view_statements(connection)))


def _run(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))
