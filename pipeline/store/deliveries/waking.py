"""Deliveries that wait for another one, or were sent without its link: due when that one is there.

Locks are taken in one order: people, their touches, then companies. So who claims and who wakes do not end each other.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.deliveries.objects import WAITS

# Who is under way stays so; who was sent is wanted from now on.
_DUE_NOW = """state = CASE WHEN state = 'in_flight' THEN 'in_flight' ELSE 'due' END,
    next_attempt_at = CASE WHEN state = 'in_flight' THEN next_attempt_at ELSE now() END,
    wanted_at = CASE WHEN state = 'sent' THEN now() ELSE wanted_at END"""
# Who went without a link because the company had failed gets it when it is there. Who is under way just now is waited
# for where its outcome is being written, and else finds the company by itself then (`link_now`).
_WAKE_PEOPLE = f"""
UPDATE deliveries SET {_DUE_NOW},
    attempts = CASE WHEN state = 'in_flight' THEN attempts ELSE 0 END
WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
    SELECT d.person_id FROM person_companies c JOIN deliveries d USING (person_id)
    WHERE c.company_id = ANY(%(companies)s::uuid[]) AND d.destination = %(destination)s
        AND (d.state = 'due' AND d.last_error LIKE '{WAITS}%%'
             OR d.state IN ('sent', 'in_flight') AND c.company_id = ANY(%(made)s::uuid[]))
    ORDER BY d.person_id FOR UPDATE OF d
))
"""  # noqa: S608 - put together from constants


def wake_people(
    connection: Connection, destination: str, company_ids: Collection[UUID], made: Collection[UUID]
) -> None:
    """The companies got their first answer: whoever waited for it is due now, and of those that were `made` who is
    there without a link. Before anything is locked of the companies: who claims people wants companies after it. One
    statement."""
    if company_ids:
        values = {"companies": arrays.uuids(sorted(company_ids)), "made": arrays.uuids(sorted(made))}
        connection.exec_driver_sql(_WAKE_PEOPLE, {**values, "destination": destination})


_LINK_NOW = """
UPDATE deliveries SET state = 'due', next_attempt_at = now(), wanted_at = now()
WHERE destination = %(destination)s AND state = 'sent' AND person_id = ANY(ARRAY(
    SELECT c.person_id FROM person_companies c JOIN deliveries d ON d.person_id = c.company_id
    WHERE c.person_id = ANY(%(people)s::uuid[]) AND d.destination = %(companies)s AND d.wanted = 'present'
        AND d.external_id IS NOT NULL
))
"""


def link_now(connection: Connection, destination: str, companies: str, person_ids: Collection[UUID]) -> None:
    """These people were sent without a link to their company: whose company was made meanwhile is due again. In the
    transaction of their outcomes. One statement."""
    if person_ids:
        values = {"destination": destination, "companies": companies, "people": arrays.uuids(sorted(person_ids))}
        connection.exec_driver_sql(_LINK_NOW, values)


_WAKE_TOUCHES = f"""
UPDATE deliveries SET {_DUE_NOW},
    wanted_version = wanted_version + CASE WHEN state = 'in_flight' THEN 1 ELSE 0 END
WHERE destination = %(target)s AND person_id = ANY(ARRAY(
    SELECT d.person_id FROM touches t JOIN deliveries d ON d.person_id = t.event_id AND d.destination = %(target)s
    WHERE t.person_id = ANY(%(people)s::uuid[]) AND t.position = 0 AND d.wanted = 'present'
        AND (d.state = 'due' AND d.last_error LIKE '{WAITS}%%'
             OR d.state IN ('sent', 'in_flight') AND t.person_id = ANY(%(again)s::uuid[]))
    ORDER BY d.person_id FOR UPDATE OF d
))
"""  # noqa: S608 - put together from constants


def wake_touches(
    connection: Connection, target: str, person_ids: Collection[UUID], again: Collection[UUID] = ()
) -> None:
    """These people are at the CRM now: their touches that waited are due, and of those whose record was made `again`
    the ones that lead to the former one. One statement."""
    if person_ids:
        values = {"people": arrays.uuids(sorted(person_ids)), "again": arrays.uuids(sorted(again))}
        connection.exec_driver_sql(_WAKE_TOUCHES, {**values, "target": target})


# As people are woken: who is under way finds the company by itself when its outcome is written (`link_touches_now`).
_WAKE_TOUCHES_OF_COMPANIES = f"""
UPDATE deliveries SET {_DUE_NOW}
WHERE destination = %(target)s AND person_id = ANY(ARRAY(
    SELECT d.person_id FROM person_companies c JOIN touches t ON t.person_id = c.person_id AND t.position = 0
    JOIN deliveries d ON d.person_id = t.event_id AND d.destination = %(target)s
    WHERE c.company_id = ANY(%(companies)s::uuid[]) AND d.wanted = 'present'
        AND (d.state = 'due' AND d.last_error LIKE '{WAITS}%%'
             OR d.state IN ('sent', 'in_flight') AND c.company_id = ANY(%(made)s::uuid[]))
    ORDER BY d.person_id FOR UPDATE OF d
))
"""  # noqa: S608 - put together from constants


def wake_touches_of_companies(
    connection: Connection, target: str, company_ids: Collection[UUID], made: Collection[UUID]
) -> None:
    """The companies got their first answer: touches that waited for it are due now, and of those that were `made` the
    ones that are there without a link. Before anything is locked of the companies. One statement."""
    if company_ids:
        values = {"companies": arrays.uuids(sorted(company_ids)), "made": arrays.uuids(sorted(made))}
        connection.exec_driver_sql(_WAKE_TOUCHES_OF_COMPANIES, {**values, "target": target})


_LINK_TOUCHES_NOW = """
UPDATE deliveries SET state = 'due', next_attempt_at = now(), wanted_at = now()
WHERE destination = %(target)s AND state = 'sent' AND person_id = ANY(ARRAY(
    SELECT t.event_id FROM touches t JOIN person_companies c ON c.person_id = t.person_id
    JOIN deliveries d ON d.person_id = c.company_id
    WHERE t.event_id = ANY(%(touches)s::uuid[]) AND t.position = 0 AND d.destination = %(companies)s
        AND d.wanted = 'present' AND d.external_id IS NOT NULL
))
"""


def link_touches_now(connection: Connection, target: str, companies: str, event_ids: Collection[UUID]) -> None:
    """These touches were sent without a link to the company: whose company was made meanwhile is due again. In the
    transaction of their outcomes. One statement."""
    if event_ids:
        values = {"target": target, "companies": companies, "touches": arrays.uuids(sorted(event_ids))}
        connection.exec_driver_sql(_LINK_TOUCHES_NOW, values)
