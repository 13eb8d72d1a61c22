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
from pipeline.store import arrays

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
        count(*) FILTER (WHERE state = 'pending') AS pending,
        count(*) FILTER (WHERE state = 'in_flight') AS in_flight
    FROM events GROUP BY source
)
SELECT source, coalesce(accepted, 0), coalesce(settled, 0), coalesce(suppressed, 0), coalesce(quarantined, 0),
    coalesce(pending, 0), coalesce(in_flight, 0), coalesce(repeated, 0), coalesce(revised, 0)
FROM accepted FULL JOIN ended USING (source) ORDER BY source
"""
_MISSING = """
SELECT count(*) FROM events e JOIN unnest(%(brands)s::text[], %(destinations)s::text[]) AS meant (brand, destination)
    ON meant.brand = e.brand
WHERE e.state = 'settled' AND NOT EXISTS (
    SELECT FROM deliveries d WHERE d.person_id = e.person_id AND d.destination = meant.destination
)
"""
_BRANDS = "SELECT DISTINCT brand FROM people UNION SELECT DISTINCT brand FROM events WHERE state = 'settled'"

DestinationsFor = Callable[[str], Iterable[str]] | Mapping[str, Iterable[str]]


def balance(connection: Connection, destinations_for: DestinationsFor | None = None) -> dict[str, Any]:
    """The balance as interface.md promises it: {"all": figures, "sources": {slug: figures}, "missing_deliveries": n}.

    Figures are accepted, settled, suppressed, quarantined, pending, in_flight, repeated, revised and difference, which
    is accepted minus the five states. `destinations_for` gives a brand's destinations, by call or
    mapping; the settings' if absent. `missing_deliveries` counts the rows that settled events' people lack at them.
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
    return {"all": everything, "sources": sources, "missing_deliveries": _count_missing(connection, meant_for)}


def _count_missing(connection: Connection, destinations_for: DestinationsFor) -> int:
    meant = [
        (brand, destination)
        for brand in connection.exec_driver_sql(_BRANDS).scalars()
        for destination in (destinations_for(brand) if callable(destinations_for) else destinations_for.get(brand, ()))
    ]
    if not meant:
        return 0
    return int(
        connection.exec_driver_sql(
            _MISSING,
            {
                "brands": arrays.texts(brand for brand, _ in meant),
                "destinations": arrays.texts(destination for _, destination in meant),
            },
        ).scalar_one()
    )
