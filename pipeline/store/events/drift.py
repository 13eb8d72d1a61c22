"""Drift: how many leads of a source had a field that its mapping has not decided about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.records import Lead
from pipeline.store import arrays

PATHS_OF_A_SOURCE = 200  # of one brand and mapping version; the rest is counted together
REST = "…"

_QUIET_DAYS = 1  # a path not seen for so long makes room for any new one

# In one order, so that two batches that meet the same rows take turns. Which paths are new is known before the insert:
# two batches that bring new ones at the same moment may both find room, so the limit is one of size, not of number.
# Where a source has no room, a new path takes the place of one that fewer leads had, or nobody for a day: whoever sends
# a few hundred invented names once must not keep every later one from being named. What goes is counted with the rest.
_COUNT = """
WITH counted AS (
    SELECT source, brand, mapping_version, path, leads,
        EXISTS (SELECT FROM drift k WHERE (k.source, k.brand, k.mapping_version, k.path)
                = (counted.source, counted.brand, counted.mapping_version, counted.path)) AS is_known
    FROM unnest(%(sources)s::text[], %(brands)s::text[], %(versions)s::text[], %(paths)s::text[], %(leads)s::int[])
        AS counted (source, brand, mapping_version, path, leads)
), placed AS (
    SELECT counted.*, CASE WHEN is_known THEN 0 ELSE
        row_number() OVER (PARTITION BY source, brand, mapping_version, is_known ORDER BY leads DESC, path)
        + (SELECT count(*) FROM drift k WHERE (k.source, k.brand, k.mapping_version)
           = (counted.source, counted.brand, counted.mapping_version) AND k.path <> %(rest)s) END AS place
    FROM counted
), wanted AS (
    SELECT source, brand, mapping_version, count(*) AS places, max(leads) AS leads
    FROM placed WHERE place > %(most)s GROUP BY source, brand, mapping_version
), gone AS (
    DELETE FROM drift USING (
        SELECT victim.ctid AS place FROM wanted CROSS JOIN LATERAL (
            SELECT k.ctid FROM drift k
            WHERE (k.source, k.brand, k.mapping_version) = (wanted.source, wanted.brand, wanted.mapping_version)
                AND k.path <> %(rest)s
                AND (k.leads <= wanted.leads OR k.last_seen_at < now() - %(quiet)s * interval '1 day')
                AND NOT EXISTS (SELECT FROM counted c WHERE (c.source, c.brand, c.mapping_version, c.path)
                                = (k.source, k.brand, k.mapping_version, k.path))
            ORDER BY k.leads, k.last_seen_at LIMIT least(wanted.places, %(most)s) FOR UPDATE SKIP LOCKED
        ) AS victim
    ) AS victims WHERE drift.ctid = victims.place RETURNING source, brand, mapping_version, leads
), room AS (
    SELECT source, brand, mapping_version, count(*) AS places FROM gone GROUP BY source, brand, mapping_version
), kept AS (
    SELECT source, brand, mapping_version, leads,
        CASE WHEN place <= %(most)s + coalesce(room.places, 0) THEN path ELSE %(rest)s END AS path
    FROM placed LEFT JOIN room USING (source, brand, mapping_version)
    UNION ALL SELECT source, brand, mapping_version, leads, %(rest)s FROM gone
)
INSERT INTO drift AS known (source, brand, mapping_version, path, leads)
SELECT source, brand, mapping_version, path, sum(leads)
FROM kept GROUP BY source, brand, mapping_version, path ORDER BY source, brand, mapping_version, path
ON CONFLICT (source, brand, mapping_version, path) DO UPDATE SET
    leads = known.leads + excluded.leads, last_seen_at = excluded.last_seen_at
"""


class Drift(msgspec.Struct, frozen=True):
    """A path that the mapping of a source has not decided about. `leads` counts those that had it."""

    brand: str
    source: str
    mapping_version: str
    path: str
    leads: int
    first_seen_at: datetime
    last_seen_at: datetime


def count_drift(connection: Connection, leads: Iterable[Lead]) -> None:
    """Add one to each undecided path of each lead. Call it for leads that settled now, as a transaction's last
    statement: busy rows are then held for no longer than the commit. One statement, none if nothing is undecided."""
    counts = Counter(
        (lead.source, lead.brand, lead.mapping_version, path) for lead in leads for path in set(lead.undecided)
    )
    if not counts:
        return
    rows = sorted(counts)
    connection.exec_driver_sql(
        _COUNT,
        {
            "sources": arrays.texts(source for source, _, _, _ in rows),
            "brands": arrays.texts(brand for _, brand, _, _ in rows),
            "versions": arrays.texts(version for _, _, version, _ in rows),
            "paths": arrays.texts(path for _, _, _, path in rows),
            "leads": arrays.numbers(counts[row] for row in rows),
            "most": PATHS_OF_A_SOURCE,
            "rest": REST,
            "quiet": _QUIET_DAYS,
        },
    )


def read_drift(connection: Connection, sources: Iterable[str] | None = None) -> list[Drift]:
    """What was counted, of some sources or of all, most leads first; of every mapping version there was."""
    rows = connection.exec_driver_sql(
        """
        SELECT brand, source, mapping_version, path, leads, first_seen_at, last_seen_at FROM drift
        WHERE %(all)s OR source = ANY(%(sources)s::text[])
        ORDER BY source, brand, leads DESC, path
        """,
        {"all": sources is None, "sources": arrays.texts(sources or ())},
    )
    return [Drift(*row) for row in rows]


def count_paths(connection: Connection) -> list[tuple[str, str, int]]:
    """(source, mapping version, number of undecided paths)."""
    rows = connection.exec_driver_sql(
        "SELECT source, mapping_version, count(DISTINCT path) FROM drift GROUP BY source, mapping_version"
    )
    return [(source, version, count) for source, version, count in rows]
