"""Endpoints: those of the settings and those that subscribed; whether each is on, and how its calls go.

An endpoint is on while it is declared, enabled and not switched off. Where it is off its messages are held.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

_ON = "e.is_declared AND e.is_enabled AND e.off_since IS NULL"


class Declared(msgspec.Struct, frozen=True):
    """An endpoint as the settings have it. `brands` None: all."""

    name: str
    events: tuple[str, ...]
    brands: tuple[str, ...] | None
    is_enabled: bool


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint as it is stored. `sealed`: address and secret of a subscription, None for one of the settings.

    `failures`: calls in a row without a success; `failed_messages`: messages in a row that ran out of attempts.
    """

    name: str
    events: tuple[str, ...]
    brands: tuple[str, ...] | None
    is_declared: bool
    is_enabled: bool
    since: datetime
    off_since: datetime | None
    off_because: str | None
    failures: int
    failed_messages: int
    failing_since: datetime | None
    paused_until: datetime | None
    last_success_at: datetime | None
    last_called_at: datetime | None
    last_code: str | None
    key_name: str | None
    sealed: bytes | None = None

    def __repr__(self) -> str:
        return f"<Endpoint {self.name}>"

    @property
    def is_on(self) -> bool:
        return self.is_declared and self.is_enabled and self.off_since is None


_COLUMNS = ", ".join(Endpoint.__struct_fields__)

_DECLARE = """
WITH gone AS (
    UPDATE webhook_endpoints SET is_declared = false
    WHERE sealed IS NULL AND is_declared AND name <> ALL(%(names)s::text[])
)
INSERT INTO webhook_endpoints AS known (name, events, brands, is_enabled)
SELECT name, string_to_array(events, ' '), string_to_array(brands, ' '), is_enabled
FROM unnest(%(names)s::text[], %(events)s::text[], %(brands)s::text[], %(enabled)s::bool[])
    AS declared (name, events, brands, is_enabled)
ON CONFLICT (name) DO UPDATE SET events = excluded.events, brands = excluded.brands, is_declared = true,
    is_enabled = excluded.is_enabled, since = CASE WHEN known.is_declared THEN known.since ELSE now() END
WHERE (known.events, known.brands, known.is_declared, known.is_enabled)
    IS DISTINCT FROM (excluded.events, excluded.brands, true, excluded.is_enabled)
"""


def declare_endpoints(connection: Connection, declared: Collection[Declared]) -> None:
    """Let the endpoints of the settings be these, and no others. Subscriptions stay. One statement."""
    rows = sorted(declared, key=lambda endpoint: endpoint.name)
    connection.exec_driver_sql(
        _DECLARE,
        {
            "names": arrays.texts(row.name for row in rows),
            "events": arrays.texts(" ".join(row.events) for row in rows),
            "brands": arrays.texts(None if row.brands is None else " ".join(row.brands) for row in rows),
            "enabled": arrays.booleans(row.is_enabled for row in rows),
        },
    )


def read_endpoints(connection: Connection, *, is_hook: bool | None = None) -> list[Endpoint]:
    """All endpoints ever declared or subscribed, by name. One statement. `is_hook`: only subscriptions, or none."""
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM webhook_endpoints"  # noqa: S608 - put together from constants
        " WHERE %(hook)s::bool IS NULL OR (sealed IS NOT NULL) = %(hook)s ORDER BY name",
        {"hook": is_hook},
    )
    return [_endpoint(row) for row in rows]


def read_endpoint(connection: Connection, name: str) -> Endpoint | None:
    """One statement."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE name = %s",  # noqa: S608 - put together from constants
        (arrays.clean(name),),
    ).first()
    return None if row is None else _endpoint(row)


def _endpoint(row: Sequence[object]) -> Endpoint:
    values = dict(zip(Endpoint.__struct_fields__, row, strict=True))
    brands, sealed = values["brands"], values["sealed"]
    values["events"] = tuple(values["events"])  # type: ignore[arg-type]  # a list of texts
    values["brands"] = None if brands is None else tuple(brands)  # type: ignore[arg-type]  # as above
    values["sealed"] = None if sealed is None else bytes(sealed)  # type: ignore[call-overload]  # a memoryview
    return Endpoint(**values)  # type: ignore[arg-type]  # the columns are of the fields' types


def add_hook(
    connection: Connection, name: str, *, event: str, brands: Sequence[str] | None, key_name: str, sealed: bytes
) -> None:
    """Store a subscription; what happens from now on is told. One statement."""
    connection.exec_driver_sql(
        "INSERT INTO webhook_endpoints (name, events, brands, key_name, sealed)"
        " VALUES (%s, ARRAY[%s], string_to_array(%s, ' '), %s, %s)",
        (name, event, None if brands is None else " ".join(brands), arrays.clean(key_name), sealed),
    )


# A key of all brands serves every subscription; one of some brands those that are told of no other.
_JUDGE = """
UPDATE webhook_endpoints e SET is_enabled = judged.is_served
FROM (
    SELECT hook.name, EXISTS (
        SELECT FROM unnest(%(keys)s::text[], %(brands)s::text[]) AS key (name, brands)
        WHERE key.name = hook.key_name AND (key.brands IS NULL OR hook.brands <@ string_to_array(key.brands, ' '))
    ) AS is_served
    FROM webhook_endpoints hook WHERE hook.sealed IS NOT NULL ORDER BY hook.name FOR UPDATE OF hook
) AS judged
WHERE e.name = judged.name AND e.is_enabled <> judged.is_served
RETURNING e.name, e.is_enabled
"""


def judge_hooks(connection: Connection, keys: Collection[tuple[str, Sequence[str] | None]]) -> dict[str, bool]:
    """Let those subscriptions be on whose key is one of these, as (name, brands; None: all), and serves their brands;
    gives whether each that changed is on now. One statement."""
    values = {
        "keys": arrays.texts(name for name, _ in keys),
        "brands": arrays.texts(None if brands is None else " ".join(brands) for _, brands in keys),
    }
    return dict(map(tuple, connection.exec_driver_sql(_JUDGE, values)))


def lock_hooks(connection: Connection) -> int:
    """How many subscriptions there are; none is added before the transaction ends. Two statements."""
    connection.exec_driver_sql("LOCK TABLE webhook_endpoints IN SHARE ROW EXCLUSIVE MODE")
    counted = connection.exec_driver_sql("SELECT count(*) FROM webhook_endpoints WHERE sealed IS NOT NULL")
    return int(counted.scalar_one())


_DROP = """
UPDATE webhook_messages SET state = 'dropped', last_code = 'unsubscribed', ended_at = now(), lease_until = NULL
WHERE endpoint = %s AND state IN ('due', 'held', 'in_flight')
"""


def remove_hook(connection: Connection, name: str) -> bool:
    """End a subscription; what was still to be told is dropped. False if there is none of this name. Two statements:
    messages before their endpoint, as senders take them."""
    connection.exec_driver_sql(_DROP, (name,))
    removed = connection.exec_driver_sql(
        "DELETE FROM webhook_endpoints WHERE name = %s AND sealed IS NOT NULL", (name,)
    )
    return removed.rowcount > 0


def switch_off(connection: Connection, name: str, because: str) -> bool:
    """Hold an endpoint's messages from now on; False if it was off already. One statement."""
    return (
        connection.exec_driver_sql(
            "UPDATE webhook_endpoints SET off_since = now(), off_because = %s WHERE name = %s AND off_since IS NULL",
            (arrays.clean(because), name),
        ).rowcount
        > 0
    )


_SWITCH_ON = """
UPDATE webhook_endpoints SET off_since = NULL, off_because = NULL, failures = 0, failed_messages = 0,
    failing_since = NULL, paused_until = NULL
WHERE name = %s
"""


def switch_on(connection: Connection, name: str) -> None:
    """Go on with an endpoint as with one that never failed. One statement."""
    connection.exec_driver_sql(_SWITCH_ON, (name,))


def hold_endpoint(connection: Connection, name: str) -> bool:
    """Be the only one who claims messages of an endpoint until the transaction ends. False: another is at it, or it is
    off or paused. One statement."""
    return (
        connection.exec_driver_sql(
            f"SELECT FROM webhook_endpoints e WHERE e.name = %s AND {_ON}"
            " AND (e.paused_until IS NULL OR e.paused_until <= now()) FOR UPDATE SKIP LOCKED",
            (name,),
        ).first()
        is not None
    )


_DUE = f"""
SELECT e.name FROM webhook_endpoints e
WHERE {_ON} AND (e.paused_until IS NULL OR e.paused_until <= now()) AND EXISTS (
    SELECT FROM webhook_messages m WHERE m.endpoint = e.name AND m.state = 'due' AND m.next_attempt_at <= now()
) ORDER BY e.name
"""  # noqa: S608 - put together from constants


def due_endpoints(connection: Connection) -> list[str]:
    """Endpoints that may be called and have messages whose time has come. One statement."""
    return list(connection.exec_driver_sql(_DUE).scalars())


_NOTE = """
UPDATE webhook_endpoints SET
    failures = CASE WHEN %(delivered)s > 0 THEN 0 ELSE failures + %(failed)s END,
    failed_messages = CASE WHEN %(delivered)s > 0 THEN 0 ELSE failed_messages + %(exhausted)s END,
    failing_since = CASE WHEN %(delivered)s > 0 THEN NULL ELSE coalesce(failing_since, now()) END,
    last_success_at = CASE WHEN %(delivered)s > 0 THEN now() ELSE last_success_at END,
    paused_until = CASE WHEN %(delivered)s = 0 THEN paused_until END,
    last_called_at = now(), last_code = %(code)s
WHERE name = %(name)s
RETURNING failures, failed_messages, extract(epoch FROM now() - failing_since)::float8
"""


class Health(msgspec.Struct, frozen=True):
    """How an endpoint's calls go: in a row without a success, and for how many seconds."""

    failures: int = 0
    failed_messages: int = 0
    failing_seconds: float = 0.0


def note_calls(
    connection: Connection,
    name: str,
    *,
    delivered: int,
    failed: int,
    exhausted: int,
    code: str,
) -> Health:
    """What came of calls to an endpoint: successes, failures, messages that ran out of attempts, and the latest
    answer's code. One statement."""
    row = connection.exec_driver_sql(
        _NOTE,
        {
            "name": name,
            "delivered": delivered,
            "failed": failed,
            "exhausted": exhausted,
            "code": arrays.clean(code),
        },
    ).first()
    return Health() if row is None else Health(row[0], row[1], row[2] or 0.0)


def pause_endpoint(connection: Connection, name: str, seconds: float) -> None:
    """Leave an endpoint alone for so long. One statement."""
    connection.exec_driver_sql(
        "UPDATE webhook_endpoints SET paused_until = greatest(paused_until, now() + make_interval(secs => %s))"
        " WHERE name = %s",
        (seconds, name),
    )
