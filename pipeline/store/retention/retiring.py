"""Retires what is old: a batch at a time, and months of bodies as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pipeline.errors import TransientError
from pipeline.store import arrays, schema
from pipeline.store.retention import statements
from pipeline.store.retention.statements import AgeRule, Statements, columns_of

BODIES, QUARANTINE, TOUCHES, DELIVERY_LOG = "bodies", "quarantine", "touches", "delivery_log"
ENDED = ("settled", "suppressed", "quarantined")  # what stands behind nobody's work any more
_STATEMENTS: dict[str, Statements] = {
    BODIES: statements.BODIES,
    QUARANTINE: statements.BODIES,
    TOUCHES: statements.TOUCHES,
    DELIVERY_LOG: statements.DELIVERY_LOG,
}
_DAY_OF_IDS = 86_400_000 << 80  # between two UUIDs version 7 that were made a day apart
_LOCK_SECONDS = 2
NOBODY = UUID(int=0)  # before all ids


class Count(NamedTuple):
    """Of a brand and source: how many would go now, and how many a hold or a restriction keeps."""

    brand: str
    source: str
    going: int
    kept: int


class HeldMeanwhileError(TransientError):
    """A hold was placed while a statement ran that destroys."""


class Retired(NamedTuple):
    """A batch. `last`: the greatest id in it; None: nothing is left to retire."""

    last: str | None
    counts: Counter[tuple[str, str]]


def count_old(connection: Connection, what: str, rules: Sequence[AgeRule]) -> list[Count]:
    """What these rules would retire of a class. One statement, which may look at all there is."""
    if not rules:
        return []
    values = _values(what, rules, None)
    return [Count(*row) for row in connection.exec_driver_sql(_STATEMENTS[what].look, values)]


def retire(
    connection: Connection, what: str, rules: Sequence[AgeRule], *, after: str | None = None, limit: int
) -> Retired:
    """Retire at most `limit` of a class behind the id `after`. One statement, and one more for bodies of several
    records. Whoever is held at this moment keeps everything."""
    if not rules:
        return Retired(None, Counter())
    rows = list(connection.exec_driver_sql(_STATEMENTS[what].destroy, {**_values(what, rules, after), "limit": limit}))
    _forget_requests(connection, {request_id for *_, request_id in rows if request_id is not None})
    counts = Counter((brand, source) for _, brand, source, _ in rows)
    return Retired(str(max(row[0] for row in rows)) if rows else None, counts)


def _values(what: str, rules: Sequence[AgeRule], after: str | None) -> dict[str, Any]:
    begin: Any = int(after or 0) if what == DELIVERY_LOG else UUID(after) if after else UUID(int=0)
    bound = schema.month_bound(max(rule.cutoff for rule in rules))
    return {**columns_of(rules), "after": begin, "bound": bound, "ended": arrays.texts(ENDED)}


def _forget_requests(connection: Connection, request_ids: Collection[UUID]) -> None:
    if request_ids:
        connection.exec_driver_sql(
            statements.FORGET_REQUESTS,
            {
                "requests": arrays.uuids(sorted(request_ids)),
                "first": UUID(int=max(0, min(request_ids).int - _DAY_OF_IDS)),
                "last": UUID(int=max(request_ids).int + _DAY_OF_IDS),
            },
        )


def old_months(connection: Connection, rules: Sequence[AgeRule]) -> list[str]:
    """Partitions of bodies that ended before every rule's cutoff at the latest, oldest first. One statement."""
    if not rules:
        return []
    rows = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'event_bodies'::regclass ORDER BY c.relname"
    )
    latest = max(rule.cutoff for rule in rules)
    return [name for name in rows.scalars() if (month := _month_of(name)) is not None and _next(month) <= latest]


def drop_month(connection: Connection, name: str, rules: Sequence[AgeRule]) -> Counter[tuple[str, str]] | None:
    """Drop a month's bodies with their bytes, if none of them must stay; None: some must, or somebody is at work there.

    Nobody else can look at them while that is found out, so in a transaction of its own. Bodies of several records go
    with theirs.
    """
    month = _month_of(name)
    if month is None:
        return None
    values = {
        **columns_of(rules),
        "ended": arrays.texts(ENDED),
        "first": schema.month_bound(month),
        "last": schema.month_bound(_next(month)),
    }
    if connection.exec_driver_sql(statements.STAYS_IN_MONTH.format(name=name), values).scalar_one():
        return None
    try:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        # The parent first, as whoever writes does, and holds against whoever places a hold meanwhile: then once more.
        connection.exec_driver_sql("LOCK TABLE legal_holds IN SHARE MODE")
        connection.exec_driver_sql("LOCK TABLE event_bodies IN ACCESS EXCLUSIVE MODE")
        if connection.exec_driver_sql(statements.STAYS_IN_MONTH.format(name=name), values).scalar_one():
            return None
        counts = Counter({(brand, source): count for brand, source, count in _goes(connection, name, values)})
        connection.exec_driver_sql(statements.CLOSE_MONTH.format(name=name), values)
        connection.exec_driver_sql(f"DROP TABLE {name}")
        _drop_requests(connection, name, values)
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) == "55P03":  # nobody waits behind us: the next run tries again
            connection.rollback()
            return None
        raise
    return counts


def _goes(connection: Connection, name: str, values: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in connection.exec_driver_sql(statements.GOES_OF_MONTH.format(name=name), values)]


def _drop_requests(connection: Connection, name: str, values: dict[str, Any]) -> None:
    """The bodies of several records of that month, if no other month has records of them."""
    requests = name.replace("event_bodies", "request_bodies")
    if connection.exec_driver_sql("SELECT to_regclass(%s)", (requests,)).scalar() is None:
        return
    around = {
        "first": UUID(int=values["first"].int - _DAY_OF_IDS),
        "last": UUID(int=values["last"].int + _DAY_OF_IDS),
    }
    if not connection.exec_driver_sql(statements.REQUESTS_STAY_IN_MONTH.format(name=requests), around).scalar_one():
        connection.exec_driver_sql(f"DROP TABLE {requests}")


def _month_of(partition: str) -> datetime | None:
    suffix = partition.rpartition("_")[2]
    return datetime(int(suffix[:4]), int(suffix[4:]), 1, tzinfo=UTC) if suffix.isdigit() and len(suffix) == 6 else None


def _next(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


class Candidate(NamedTuple):
    """Somebody who may have taken back all that they consented to. `came_at`: when their last lead came that refused
    nothing; None: there is none."""

    person_id: UUID
    brand: str
    came_at: datetime | None


def read_inactive(
    connection: Connection,
    rules: Sequence[AgeRule],
    *,
    after: UUID = NOBODY,
    among: Collection[UUID] | None = None,
    limit: int,
    is_kept: bool = False,
) -> list[tuple[UUID, str]]:
    """(person, brand) of people of whom nothing came since: those that may go, or those that are kept; behind the id
    `after`, or those `among` some. One statement."""
    if not rules:
        return []
    statement, values = _of_people(statements.EXPIRED_BY_ACTIVITY, rules, after, among, is_kept=is_kept)
    return [
        (person_id, brand) for person_id, brand in connection.exec_driver_sql(statement, {**values, "limit": limit})
    ]


def read_maybe_withdrawn(
    connection: Connection,
    rules: Sequence[AgeRule],
    *,
    after: UUID = NOBODY,
    among: Collection[UUID] | None = None,
    limit: int,
    is_kept: bool = False,
) -> list[Candidate]:
    """Whoever granted something, and refused something before a rule's cutoff. One statement."""
    if not rules:
        return []
    statement, values = _of_people(statements.MAYBE_WITHDRAWN, rules, after, among, is_kept=is_kept)
    return [Candidate(*row) for row in connection.exec_driver_sql(statement, {**values, "limit": limit})]


def _of_people(
    statement: str, rules: Sequence[AgeRule], after: UUID, among: Collection[UUID] | None, *, is_kept: bool
) -> tuple[str, dict[str, Any]]:
    who = statements.EVERYBODY if among is None else statements.THESE
    values = {**columns_of(rules), "after": after, "ids": arrays.uuids(sorted(among or ()))}
    return statement.format(who=who, kept="IN" if is_kept else "NOT IN"), values


def people_staying(connection: Connection, person_ids: Collection[UUID], *, since: datetime) -> set[UUID]:
    """Those of these people whom a hold or a restriction keeps, or of whom something came since. One statement."""
    values = {"ids": arrays.uuids(sorted(person_ids)), "since": since}
    return set(connection.exec_driver_sql(statements.STAYING, values).scalars())


def open_holds(connection: Connection) -> set[UUID]:
    """Of all holds and restrictions that are in force the ids. One statement."""
    return set(connection.exec_driver_sql("SELECT hold_id FROM legal_holds WHERE released_at IS NULL").scalars())


def require_no_new_holds(connection: Connection, before: Collection[UUID]) -> None:
    """Raises HeldMeanwhileError if somebody was held since `before` was read: then the caller's transaction must not be
    kept, as its statements may not have seen that. Until it ends nobody can place another. Two statements."""
    connection.exec_driver_sql("LOCK TABLE legal_holds IN SHARE MODE")
    if not open_holds(connection) <= set(before):
        raise HeldMeanwhileError("somebody was held while their data was being retired: once more, without them")
