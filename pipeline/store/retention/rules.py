"""Rules that were approved, runs, and what was retired."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from pipeline.store import arrays


def read_approved(connection: Connection) -> dict[str, int]:
    """Seconds by rule. One statement."""
    return dict(map(tuple, connection.exec_driver_sql("SELECT rule, seconds FROM retention_rules")))


def approve(connection: Connection, seconds: Mapping[str, int], by: str) -> None:
    """Note for how long these rules keep at the least from now on. One statement."""
    if seconds:
        connection.exec_driver_sql(
            "INSERT INTO retention_rules (rule, seconds, approved_by)"
            " SELECT asked.rule, asked.seconds, %s FROM unnest(%s::text[], %s::bigint[]) AS asked (rule, seconds)"
            " ON CONFLICT (rule) DO UPDATE SET seconds = excluded.seconds, approved_at = now(),"
            " approved_by = excluded.approved_by",
            (arrays.clean(by), arrays.texts(seconds), arrays.numbers(seconds.values())),
        )


def forget_others(connection: Connection, names: Collection[str]) -> None:
    """Forget what was approved of rules but these. One statement."""
    connection.exec_driver_sql(
        "DELETE FROM retention_rules WHERE rule <> ALL(%s::text[])", (arrays.texts(sorted(names)),)
    )


class Run(NamedTuple):
    """The last run of a class. `after`: where it is to go on; `ended_at` None: it is not over."""

    began_at: datetime
    after: str | None
    ended_at: datetime | None
    retired: int


def read_runs(connection: Connection) -> dict[str, Run]:
    """By class. One statement."""
    rows = connection.exec_driver_sql("SELECT what, began_at, after, ended_at, retired FROM retention_runs")
    return {what: Run(*rest) for what, *rest in rows}


def begin_run(connection: Connection, what: str, at: datetime) -> None:
    connection.exec_driver_sql(
        "INSERT INTO retention_runs (what, began_at) VALUES (%(what)s, %(at)s) ON CONFLICT (what) DO UPDATE"
        " SET began_at = %(at)s, after = NULL, ended_at = NULL, retired = 0",
        {"what": what, "at": at},
    )


def note_progress(connection: Connection, what: str, *, after: str | None, retired: int, is_over: bool) -> None:
    """How far a run is. One statement."""
    connection.exec_driver_sql(
        "UPDATE retention_runs SET after = coalesce(%(after)s, after), retired = retired + %(retired)s,"
        " ended_at = CASE WHEN %(over)s THEN now() END WHERE what = %(what)s",
        {"what": what, "after": after, "retired": retired, "over": is_over},
    )


def count_retired(connection: Connection, what: str, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to what was retired of a class today, by (brand, source). One statement."""
    if counts:
        connection.exec_driver_sql(
            "INSERT INTO retired AS known (day, what, brand, source, count)"
            " SELECT (now() AT TIME ZONE 'utc')::date, %s, gone.brand, gone.source, gone.count"
            " FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS gone (brand, source, count)"
            " ON CONFLICT (day, what, brand, source) DO UPDATE SET count = known.count + excluded.count",
            (
                what,
                arrays.texts(brand for brand, _ in counts),
                arrays.texts(source for _, source in counts),
                arrays.numbers(counts.values()),
            ),
        )


def read_retired(connection: Connection) -> dict[str, dict[tuple[str, str], int]]:
    """What was retired ever: by class, then by (brand, source). One statement."""
    found: dict[str, dict[tuple[str, str], int]] = {}
    rows = connection.exec_driver_sql("SELECT what, brand, source, sum(count)::bigint FROM retired GROUP BY 1, 2, 3")
    for what, brand, source, count in rows:
        found.setdefault(what, {})[brand, source] = count
    return found


def is_retiring(connection: Connection, what: str, brand: str, source: str) -> bool:
    """Whether anything of this class was retired of a source ever. One statement."""
    return bool(
        connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM retired WHERE (what, brand, source) = (%s, %s, %s))", (what, brand, source)
        ).scalar_one()
    )
