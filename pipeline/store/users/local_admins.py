"""Local administrators, and the attempts that failed: counted for each account and network, so that nobody locks
others out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.users.users import LOCAL

_FORGET_AFTER = "1 day"


class LocalAdmin(msgspec.Struct, frozen=True):
    """`wrong_codes`: in a row, with the right password."""

    user_id: UUID
    name: str
    password: bytes
    sealed: bytes
    recovery_codes: list[bytes]
    last_step: int
    wrong_codes: int
    is_disabled: bool

    def __repr__(self) -> str:
        return f"<LocalAdmin {self.user_id}>"


def write_local_admin(
    connection: Connection, user_id: UUID, *, password: bytes, sealed: bytes, recovery_codes: Sequence[bytes]
) -> bool:
    """Whether there was none before; else its secrets are replaced. One statement."""
    return bool(
        connection.exec_driver_sql(
            """
            INSERT INTO local_admins (user_id, password, sealed, recovery_codes) VALUES (%s, %s, %s, %s::bytea[])
            ON CONFLICT (user_id) DO UPDATE SET password = excluded.password, sealed = excluded.sealed,
                recovery_codes = excluded.recovery_codes, wrong_codes = 0
            RETURNING xmax = 0
            """,
            (user_id, password, sealed, arrays.blobs(recovery_codes)),
        ).scalar_one()
    )


def lock_local_admin(connection: Connection, name: str) -> LocalAdmin | None:
    """Locked until the transaction ends: a code cannot be used twice at once. One statement."""
    row = connection.exec_driver_sql(
        "SELECT u.user_id, u.subject, a.password, a.sealed, a.recovery_codes, a.last_step, a.wrong_codes,"
        " u.disabled_at IS NOT NULL FROM local_admins a JOIN users u USING (user_id)"
        " WHERE u.issuer = %s AND u.subject = %s FOR UPDATE OF a",
        (LOCAL, arrays.clean(name)),
    ).first()
    if row is None:
        return None
    user_id, subject, password, sealed, codes, *rest = row
    return LocalAdmin(user_id, subject, bytes(password), bytes(sealed), [bytes(code) for code in codes], *rest)


def note_code(connection: Connection, user_id: UUID, *, last_step: int, recovery_codes: Sequence[bytes]) -> None:
    """A code was taken: what is left, and no wrong ones. One statement."""
    connection.exec_driver_sql(
        "UPDATE local_admins SET last_step = %s, recovery_codes = %s::bytea[], wrong_codes = 0 WHERE user_id = %s",
        (last_step, arrays.blobs(recovery_codes), user_id),
    )


def note_wrong_code(connection: Connection, user_id: UUID) -> None:
    """With the right password. One statement."""
    connection.exec_driver_sql("UPDATE local_admins SET wrong_codes = wrong_codes + 1 WHERE user_id = %s", (user_id,))


def count_failed_names(connection: Connection, network: str) -> int:
    """How many names were tried in vain from a network within a day. One statement."""
    return int(
        connection.exec_driver_sql(
            "SELECT count(*) FROM sign_in_failures WHERE network = %s AND failed_at >= now() - %s::interval",
            (network, _FORGET_AFTER),
        ).scalar_one()
    )


def locked_seconds(connection: Connection, account: bytes, network: str) -> float:
    """How long nobody of this network may try this account; 0: not locked. Its row is locked, so attempts at once are
    counted one after the other. Two statements."""
    connection.exec_driver_sql(
        "INSERT INTO sign_in_failures (account, network) VALUES (%s, %s) ON CONFLICT DO NOTHING", (account, network)
    )
    seconds = connection.exec_driver_sql(
        "SELECT extract(epoch FROM locked_until - clock_timestamp())::float8 FROM sign_in_failures"
        " WHERE account = %s AND network = %s FOR UPDATE",
        (account, network),
    ).scalar_one()
    return max(0.0, seconds or 0.0)


def note_failure(
    connection: Connection, account: bytes, network: str, *, free: int, first_seconds: int, most_seconds: int
) -> int:
    """How many there were in a row. After `free` of them each locks for twice as long as the one before. Two
    statements: those of yesterday are forgotten."""
    connection.exec_driver_sql(
        f"DELETE FROM sign_in_failures WHERE failed_at < now() - interval '{_FORGET_AFTER}'"  # noqa: S608 - a constant
        " AND NOT (account = %s AND network = %s)",
        (account, network),
    )
    return int(
        connection.exec_driver_sql(
            """
            UPDATE sign_in_failures SET failures = failures + 1, failed_at = now(),
                locked_until = CASE WHEN failures + 1 >= %(free)s THEN now() + interval '1 second'
                    * least(%(most)s, %(first)s * power(2, least(failures + 1 - %(free)s, 30))) END
            WHERE account = %(account)s AND network = %(network)s RETURNING failures
            """,
            {
                "free": free,
                "first": first_seconds,
                "most": most_seconds,
                "account": account,
                "network": network,
            },
        ).scalar_one()
    )


def forget_failures(connection: Connection, account: bytes, network: str) -> None:
    """Of a network whose attempt was right. One statement."""
    connection.exec_driver_sql("DELETE FROM sign_in_failures WHERE account = %s AND network = %s", (account, network))
