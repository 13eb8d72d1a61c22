"""The statements that retire what is old. Each looks anew whom a legal hold or a restriction is about.

A class of things has one condition for what is old enough and may go, used by the preview and by what destroys it, so
both mean the same. `tests/integration/privacy/test_retention.py` holds every destroying statement to naming the view of
those who are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.store import arrays


class AgeRule(NamedTuple):
    """What is retired that began before `cutoff`; None: of every brand, source, state; of a consent of any purpose."""

    brand: str | None
    source: str | None
    state: str | None
    cutoff: datetime
    purpose: str | None = None


def columns_of(rules: Sequence[AgeRule]) -> dict[str, Any]:
    """The values that `RULES` stands for."""
    return {
        "brands": arrays.texts(rule.brand for rule in rules),
        "sources": arrays.texts(rule.source for rule in rules),
        "states": arrays.texts(rule.state for rule in rules),
        "cutoffs": arrays.moments(rule.cutoff for rule in rules),
    }


_RULES = """rules AS MATERIALIZED (
    SELECT * FROM unnest(%(brands)s::text[], %(sources)s::text[], %(states)s::text[], %(cutoffs)s::timestamptz[])
        AS r (brand, source, state, cutoff))"""


def _is_old(brand: str, source: str, state: str, since: str) -> str:
    return (
        f"EXISTS (SELECT FROM rules r WHERE (r.brand IS NULL OR r.brand = {brand})"
        f" AND (r.source IS NULL OR r.source = {source}) AND (r.state IS NULL OR r.state = {state})"
        f" AND {since} < r.cutoff)"
    )


class Statements(NamedTuple):
    """Of one class. `look` gives brand, source, how many would go and how many are kept by a hold; `destroy` gives a
    row (id, brand, source, other) for each that went, in any order: at most `limit` of those after `after`."""

    look: str
    destroy: str


_EVENT_OLD = _is_old("e.brand", "e.source", "e.state", "e.received_at")
_EVENT_KEPT = "e.event_id IN (SELECT k.event_id FROM events_kept k)"
_OF_ENDED = """
    FROM events e JOIN event_bodies b ON b.event_id = e.event_id AND b.event_id > %(after)s AND b.event_id < %(bound)s
    WHERE e.event_id > %(after)s AND e.event_id < %(bound)s AND e.state = ANY(%(ended)s::text[])"""
# A lead that is just being released is held by that: it is left, and not old then any more. What a human set of it goes
# along, and what waits in quarantine is closed: without its body it cannot run again.
BODIES = Statements(
    f"WITH {_RULES} SELECT e.brand, e.source, count(*) FILTER (WHERE NOT {_EVENT_KEPT}),"
    f" count(*) FILTER (WHERE {_EVENT_KEPT}) {_OF_ENDED} AND {_EVENT_OLD} GROUP BY 1, 2",
    f"""
WITH {_RULES}, old AS MATERIALIZED (
    SELECT e.event_id {_OF_ENDED} AND {_EVENT_OLD} AND NOT {_EVENT_KEPT}
    ORDER BY e.event_id LIMIT %(limit)s FOR UPDATE OF e SKIP LOCKED
), gone AS (
    DELETE FROM event_bodies b USING old WHERE b.event_id = old.event_id
        AND b.event_id > %(after)s AND b.event_id < %(bound)s
        AND old.event_id NOT IN (SELECT k.event_id FROM events_kept k)
    RETURNING b.event_id, b.request_id
), closed AS (
    UPDATE quarantine q SET patch = NULL, why = CASE WHEN q.resolution = 'open' THEN 'retention' ELSE q.why END,
        resolved_at = CASE WHEN q.resolution = 'open' THEN now() ELSE q.resolved_at END,
        resolution = CASE WHEN q.resolution = 'open' THEN 'discarded' ELSE q.resolution END
    FROM gone WHERE q.event_id = gone.event_id AND (q.patch IS NOT NULL OR q.resolution = 'open')
)
SELECT gone.event_id, e.brand, e.source, gone.request_id
FROM gone JOIN events e ON e.event_id = gone.event_id AND e.event_id > %(after)s AND e.event_id < %(bound)s
""",  # noqa: S608 - put together from constants
)

# A visit's path and the ids of its clicks; that there was such a click is what its channel was found by, and stays.
_TOUCH_OLD = _is_old("t.brand", "e.source", "NULL::text", "t.occurred_at")
_TOUCH_KEPT = "t.person_id IN (SELECT k.person_id FROM people_kept k)"
_OF_TOUCHES = """
    FROM touches t JOIN events e ON e.event_id = t.event_id
    WHERE t.event_id > %(after)s AND (t.landing_path IS NOT NULL OR t.click_ids::text ~ '": "[^"]')"""
TOUCHES = Statements(
    f"WITH {_RULES} SELECT t.brand, e.source, count(*) FILTER (WHERE NOT {_TOUCH_KEPT}),"
    f" count(*) FILTER (WHERE {_TOUCH_KEPT}) {_OF_TOUCHES} AND {_TOUCH_OLD} GROUP BY 1, 2",
    f"""
WITH {_RULES}, old AS MATERIALIZED (
    SELECT t.event_id, t.position, e.source {_OF_TOUCHES} AND {_TOUCH_OLD} AND NOT {_TOUCH_KEPT}
    ORDER BY t.event_id, t.position LIMIT %(limit)s FOR UPDATE OF t SKIP LOCKED
)
UPDATE touches t SET landing_path = NULL,
    click_ids = (SELECT coalesce(jsonb_object_agg(c.key, ''), '{{}}') FROM jsonb_each(t.click_ids) c)
FROM old WHERE t.event_id = old.event_id AND t.position = old.position
    AND t.person_id NOT IN (SELECT k.person_id FROM people_kept k)
RETURNING t.event_id, t.brand, old.source, NULL
""",  # noqa: S608 - put together from constants
)

# What CRMs answered. Of a touch and of a consent the delivery knows whose it is.
_LOG_OLD = _is_old("coalesce(d.brand, '')", "NULL::text", "NULL::text", "l.at")
_LOG_KEPT = "coalesce(d.parent_id, l.person_id) IN (SELECT k.person_id FROM people_kept k)"
_OF_LOG = """
    FROM delivery_log l LEFT JOIN deliveries d ON d.person_id = l.person_id AND d.destination = l.destination
    WHERE l.id > %(after)s"""
DELIVERY_LOG = Statements(
    f"WITH {_RULES} SELECT coalesce(d.brand, ''), '', count(*) FILTER (WHERE NOT {_LOG_KEPT}),"
    f" count(*) FILTER (WHERE {_LOG_KEPT}) {_OF_LOG} AND {_LOG_OLD} GROUP BY 1, 2",
    f"""
WITH {_RULES}, old AS MATERIALIZED (
    SELECT l.id, coalesce(d.brand, '') AS brand, coalesce(d.parent_id, l.person_id) AS person_id
    {_OF_LOG} AND {_LOG_OLD} AND NOT {_LOG_KEPT} ORDER BY l.id LIMIT %(limit)s
)
DELETE FROM delivery_log l USING old WHERE l.id = old.id
    AND old.person_id NOT IN (SELECT k.person_id FROM people_kept k)
RETURNING l.id, old.brand, '', NULL
""",  # noqa: S608 - put together from constants
)

# Requests of several records, none of which has its part any more. Their records came within a day of them.
FORGET_REQUESTS = """
DELETE FROM request_bodies r WHERE r.request_id = ANY(%(requests)s::uuid[])
    AND NOT EXISTS (SELECT FROM event_bodies b
        WHERE b.request_id = r.request_id AND b.event_id > %(first)s AND b.event_id < %(last)s)
    AND NOT EXISTS (SELECT FROM event_bodies b JOIN events_kept k ON k.event_id = b.event_id
        WHERE b.request_id = r.request_id AND b.event_id > %(first)s AND b.event_id < %(last)s)
"""

# Of a month's bodies whether none must stay: then it goes as a whole. `{name}` is that of a partition.
STAYS_IN_MONTH = f"""
WITH {_RULES}
SELECT EXISTS (SELECT FROM {{name}} b JOIN events e ON e.event_id = b.event_id
    WHERE e.event_id >= %(first)s AND e.event_id < %(last)s
    AND (e.state <> ALL(%(ended)s::text[]) OR NOT {_EVENT_OLD} OR {_EVENT_KEPT}))
"""  # noqa: S608 - put together from constants
GOES_OF_MONTH = """
SELECT e.brand, e.source, count(*) FROM {name} b JOIN events e ON e.event_id = b.event_id
WHERE e.event_id >= %(first)s AND e.event_id < %(last)s GROUP BY 1, 2
"""
CLOSE_MONTH = """
UPDATE quarantine q SET patch = NULL, why = CASE WHEN q.resolution = 'open' THEN 'retention' ELSE q.why END,
    resolved_at = CASE WHEN q.resolution = 'open' THEN now() ELSE q.resolved_at END,
    resolution = CASE WHEN q.resolution = 'open' THEN 'discarded' ELSE q.resolution END
WHERE q.event_id >= %(first)s AND q.event_id < %(last)s AND (q.patch IS NOT NULL OR q.resolution = 'open')
    AND EXISTS (SELECT FROM {name} b WHERE b.event_id = q.event_id)
    AND q.event_id NOT IN (SELECT k.event_id FROM events_kept k)
"""
REQUESTS_STAY_IN_MONTH = """
SELECT EXISTS (SELECT FROM {name} r JOIN event_bodies b ON b.request_id = r.request_id
    WHERE b.event_id > %(first)s AND b.event_id < %(last)s)
"""

# People of whom nothing came since, but for whom it is asked already that somebody approves their erasure. `{who}` is
# one of the two below: all behind an id, or those of some ids that are looked at once more.
EVERYBODY = """p.person_id > %(after)s AND NOT EXISTS (
    SELECT FROM privacy_subjects s JOIN privacy_requests q USING (request_id)
    WHERE s.subject_id = p.person_id AND q.state = 'awaiting_approval')"""
THESE = "p.person_id = ANY(%(ids)s::uuid[])"
EXPIRED_BY_ACTIVITY = f"""
WITH {_RULES}
SELECT p.person_id, p.brand FROM people p
WHERE p.merged_into IS NULL AND {{who}}
    AND EXISTS (SELECT FROM rules r WHERE (r.brand IS NULL OR r.brand = p.brand)
        AND greatest(p.created_at, p.latest_at) < r.cutoff
        AND NOT EXISTS (SELECT FROM evidence v JOIN evidence_events x USING (evidence_id)
            JOIN events e ON e.event_id = x.event_id WHERE v.person_id = p.person_id AND e.received_at >= r.cutoff)
        AND NOT EXISTS (SELECT FROM evidence v JOIN activities a USING (evidence_id)
            WHERE v.person_id = p.person_id AND a.at >= r.cutoff))
    AND p.person_id {{kept}} (SELECT k.person_id FROM people_kept k)
ORDER BY p.person_id LIMIT %(limit)s
"""  # noqa: S608 - put together from constants
# Whoever granted something and refused something for so long: whether that took the consent back on which their data
# lie is for `privacy.retention.withdrawals`. `came_at`: when the last lead came that refused nothing.
MAYBE_WITHDRAWN = f"""
WITH {_RULES}
SELECT p.person_id, p.brand, (
    SELECT max(coalesce(e.occurred_at, e.received_at)) FROM evidence v JOIN evidence_events x USING (evidence_id)
        JOIN events e ON e.event_id = x.event_id
    WHERE v.person_id = p.person_id
        AND NOT EXISTS (SELECT FROM consents c WHERE c.event_id = e.event_id AND c.granted IS FALSE)) AS came_at
FROM people p
WHERE p.merged_into IS NULL AND {{who}}
    AND EXISTS (SELECT FROM consents c JOIN rules r ON r.brand IS NULL OR r.brand = p.brand
        WHERE c.person_id = p.person_id AND c.granted IS FALSE AND c.at < r.cutoff)
    AND EXISTS (SELECT FROM consents c WHERE c.person_id = p.person_id AND c.granted)
    AND p.person_id {{kept}} (SELECT k.person_id FROM people_kept k)
ORDER BY p.person_id LIMIT %(limit)s
"""  # noqa: S608 - put together from constants
STAYING = """
SELECT p.person_id FROM people p
WHERE p.person_id = ANY(%(ids)s::uuid[]) AND (
    p.person_id IN (SELECT k.person_id FROM people_kept k)
    OR EXISTS (SELECT FROM evidence v JOIN evidence_events x USING (evidence_id) JOIN events e USING (event_id)
        WHERE v.person_id = coalesce(p.merged_into, p.person_id) AND e.received_at > %(since)s)
    OR EXISTS (SELECT FROM evidence v JOIN activities a USING (evidence_id)
        WHERE v.person_id = coalesce(p.merged_into, p.person_id) AND a.at > %(since)s))
"""
