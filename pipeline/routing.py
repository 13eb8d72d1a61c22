"""Which destinations a person is meant for: today every enabled one of the brand (afluente.yaml)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection

from pipeline.settings.loading import settings
from pipeline.store.deliveries.deliveries import want_deliveries


def want_people(connection: Connection, people: Iterable[tuple[UUID, str]], lane: str) -> dict[tuple[str, str], int]:
    """Want the present version of people, (person_id, brand), at the destinations of their brand. One statement.

    Gives how many deliveries are due now because of this call, by (destination, lane).
    """
    destinations_for = settings().destinations_for
    wanted = {(destination, person_id) for person_id, brand in people for destination in destinations_for(brand)}
    return want_deliveries(connection, [(destination, person_id, lane) for destination, person_id in sorted(wanted)])
