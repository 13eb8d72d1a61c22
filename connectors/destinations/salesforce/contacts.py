"""A lead's fields as those of a contact."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.destinations.salesforce.api import Api

# Of a lead -> of a contact. docs/salesforce.md shows this table.
RENAMED = {
    "Street": "MailingStreet",
    "City": "MailingCity",
    "State": "MailingState",
    "StateCode": "MailingStateCode",
    "PostalCode": "MailingPostalCode",
    "Country": "MailingCountry",
    "CountryCode": "MailingCountryCode",
    "Latitude": "MailingLatitude",
    "Longitude": "MailingLongitude",
}
# Whose customer somebody is, is decided where contacts are kept.
_NEVER = {"OwnerId"}
_DESCRIBED_FOR_SECONDS = 3600.0


class ContactFields:
    """Which fields there are is asked once an hour."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._writable: set[str] = set()
        self._until = 0.0  # monotonic seconds

    def of_lead(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The fields that a contact has too, under its names; and the names of those that it has not."""
        named = self.named(fields)
        kept = {named[name]: value for name, value in fields.items() if name in named}
        return kept, tuple(name for name in fields if name not in named)

    def named(self, names: Iterable[str]) -> dict[str, str]:
        """What a contact calls these fields of a lead; those that are not written there are left out."""
        writable = self._described()
        found = {name: RENAMED.get(name, name) for name in names if name not in _NEVER}
        return {name: there for name, there in found.items() if there in writable}

    def _described(self) -> set[str]:
        if time.monotonic() >= self._until:
            fields = self._api.describe("Contact")
            self._writable = {str(field["name"]) for field in fields if field.get("updateable")}
            self._until = time.monotonic() + _DESCRIBED_FOR_SECONDS
        return self._writable
