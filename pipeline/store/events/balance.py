"""The balance: what was accepted equals what ended plus what is under way. One command proves that nothing is lost.

`accepted` counts idempotency keys and the further contents that came under them, which `revised` counts alone; the
states count events: tables written by the same commit but by nothing else in common. All figures come from one
statement, so they are of one moment, whatever runs meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from pipeline.settings.loading import settings
from pipeline.store.deliveries.backfill import count_lacking, count_waiting
from pipeline.store.retention.rules import read_retired

_STATES = ("settled", "suppressed", "quarantined", "pending", "in_flight")
_COUNT = """
WITH accepted AS (
    SELECT source, count(*) + coalesce(sum(revisions), 0)::bigint AS accepted,
        coalesce(sum(repeats), 0)::bigint AS repeated, coalesce(sum(revisions), 0)::bigint AS revised
    FROM event_keys GROUP BY source
), ended AS (
    SELECT source, count(*) FILTER (WHERE state = 'settled') AS settled,
        count(*) FILTER (WHERE state = 'suppressed') AS suppressed,
        count(*) FILTER (WHERE state = 'quarantined') AS quarantined,
        count(*) FILTER (WHERE state IN ('pending', 'fetching')) AS pending,
        count(*) FILTER (WHERE state = 'in_flight') AS in_flight
    FROM events GROUP BY source
)
SELECT source, coalesce(accepted, 0), coalesce(settled, 0), coalesce(suppressed, 0), coalesce(quarantined, 0),
    coalesce(pending, 0), coalesce(in_flight, 0), coalesce(repeated, 0), coalesce(revised, 0)
FROM accepted FULL JOIN ended USING (source) ORDER BY source
"""
_BRANDS = "SELECT DISTINCT brand FROM people UNION SELECT DISTINCT brand FROM events WHERE state = 'settled'"

DestinationsFor = Callable[[str], Iterable[str]] | Mapping[str, Iterable[str]]


def balance(connection: Connection, destinations_for: DestinationsFor | None = None) -> dict[str, Any]:
    """The balance as interface.md promises it: {"all": figures, "sources": {slug: figures}, "missing_deliveries": n},
    and `missing_at` (the same by destination), `not_wanted_yet` (by destination) and `deliveries_waiting`.

    Figures are accepted, settled, suppressed, quarantined, pending, in_flight, repeated, revised and difference, which
    is accepted minus the five states. `destinations_for` gives a brand's destinations, by call or mapping; the
    settings' if absent. `missing_deliveries` counts the settled events whose people lack a delivery at one that was in
    force when they settled, which must never happen; `not_wanted_yet` those that settled before it was.
    `deliveries_waiting` are due or being made. `retired`: by class, what retention took of things that are counted here
    all the same.
    """
    sources: dict[str, dict[str, int]] = {}
    everything = dict.fromkeys(("accepted", *_STATES, "repeated", "revised", "difference"), 0)
    for source, accepted, *states, repeated, revised in connection.exec_driver_sql(_COUNT):
        figures = {
            "accepted": accepted,
            **dict(zip(_STATES, states, strict=True)),
            "repeated": repeated,
            "revised": revised,
            "difference": accepted - sum(states),
        }
        sources[source] = figures
        for name, count in figures.items():
            everything[name] += count
    meant_for = settings().destinations_for if destinations_for is None else destinations_for
    lacking = count_lacking(connection, _meant(connection, meant_for))
    return {
        "all": everything,
        "sources": sources,
        "missing_deliveries": sum(lacking.missing.values()),
        "missing_at": lacking.missing,
        "not_wanted_yet": lacking.not_wanted_yet,
        "deliveries_waiting": count_waiting(connection),
        "retired": {what: sum(counts.values()) for what, counts in read_retired(connection).items()},
    }


def _meant(connection: Connection, destinations_for: DestinationsFor) -> list[tuple[str, str]]:
    """(brand, destination) of all brands that have leads or people."""
    return [
        (brand, destination)
        for brand in connection.exec_driver_sql(_BRANDS).scalars().all()
        for destination in (destinations_for(brand) if callable(destinations_for) else destinations_for.get(brand, ()))
    ]
