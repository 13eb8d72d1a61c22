"""Somebody who is not: a person made up for one record, by a mapping. The address is example.org's, the number of those
that nobody is given."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pipeline.errors import RecordError
from pipeline.stages.destination_mapping.mapping import DestinationMapping, MappedPerson, map_person

_NOW = ("original_at", "latest_at", "rerouted_at")
_PHONE = "+12025550143"


def invent_person(mapping: DestinationMapping, person_id: UUID) -> MappedPerson:
    """What a CRM would get of them: every field that the mapping has a value for. Raises RecordError where a field that
    the mapping requires cannot be filled."""
    values = _values(mapping)
    while True:
        try:
            return map_person(mapping, person_id, values, {})
        except RecordError as error:
            sources = next((rule.sources for rule in mapping.declaration.fields if rule.name == error.field), ())
            if values.keys().isdisjoint(sources):
                raise
            values = {
                name: value for name, value in values.items() if name not in sources
            }  # rather none than a wrong one


def _values(mapping: DestinationMapping) -> dict[str, Any]:
    token = secrets.token_hex(4)
    known: dict[str, Any] = {
        "first_name": "Rehearsal",
        "last_name": f"Afluente {token}",
        "full_name": f"Rehearsal Afluente {token}",
        "email": f"rehearsal.{token}@example.org",
        "other_emails": [f"rehearsal.{token}.2@example.org"],
        "phone": _PHONE,
        "other_phones": [_PHONE],
        "company": "Rehearsal Works",
        "website": "https://example.org",
        "job_title": "Rehearsal",
        "industry": "Rehearsal",
        "employee_count": 12,
        "employee_range": "11-50",
        "street": "1 Example Street",
        "city": "Springfield",
        "state": "Illinois",
        "postal_code": "62701",
        "country": "US",
        "region": "US",
        "language": "en",
        "linkedin_url": "https://www.linkedin.com/in/example",
        "whatsapp_id": _PHONE,
        "message": "A record of `afluente destination check`. It is deleted at once.",
        "product_interest": "Rehearsal",
        "external_id": token,
        "touches": 1,
        **dict.fromkeys(_NOW, datetime.now(UTC).replace(microsecond=0)),
    }
    for end in ("original", "latest"):
        known |= {f"{end}_source": "api", f"{end}_channel": "direct", f"{end}_campaign": "rehearsal"}
    for rule in mapping.declaration.fields:  # a word that the field takes, for who has no other by then
        words = [word for word in (*rule.values, *(rule.picklist or ())) if word]
        for name in rule.sources if words else ():
            known[name] = words[0]
    return known
