"""Which opportunities, or parties, were changed in Tryton, by the times that it keeps of each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.destinations.tryton import records as made
from connectors.destinations.tryton.rpc import TrytonAccount
from connectors.kit import ChangedRecord, ChangesPage, ConfigurationError, Record, TransientError, Watched
from connectors.kit.destinations.people import known_values

_PAGE = 500
_OPPORTUNITY, _PARTY = "sale.opportunity", "party.party"
_KEPT = ("write_date", "create_date")
_ADDRESSES = {"email": "email", "phone": "phone", "mobile": "mobile_phone"}


class TrytonChanges:
    """A part of the writer."""

    _name: str
    _account: TrytonAccount

    def list_changes(self, watched: Watched, since: datetime | None, cursor: str | None = None) -> ChangesPage:
        """One call for 500 records in the order of their ids; the cursor is the last one. Of opportunities `fields` are
        named as in a mapping, and a change of the party or of its contact mechanisms is one too; of parties, by Tryton.
        """
        model = watched.object or _OPPORTUNITY
        if model not in (_OPPORTUNITY, _PARTY):
            raise ConfigurationError(
                f"destinations.{self._name}.reads_consent names {model}; allowed: {_OPPORTUNITY}, {_PARTY}"
            )
        self._account.start(watched.fields)
        domain: list[Any] = [["id", ">", int(cursor)]] if cursor and cursor.isdecimal() else []
        prefixes = ("", "party.", "party.contact_mechanisms.") if model == _OPPORTUNITY else ("", "contact_mechanisms.")
        if since is not None:
            domain.append(["OR", *(_later(prefix, since) for prefix in prefixes)])
        fields = [*self._asked(model, watched), *(f"{prefix}{name}" for prefix in prefixes for name in _KEPT)]
        found = self._account.read(f"{model}.search_read", domain, 0, _PAGE, [["id", "ASC"]], fields)
        rows: list[Any] = found if isinstance(found, list) else [None]
        if not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in rows):
            raise TransientError(f"{self._name}: the answer to a search of {model} cannot be read")
        told = [self._changed(model, watched, row) for row in rows]
        records = tuple(record for record in told if record is not None)
        following = str(rows[-1]["id"]) if len(rows) == _PAGE else None
        return ChangesPage(records, following, len(rows) - len(records))

    def _asked(self, model: str, watched: Watched) -> list[str]:
        if model == _PARTY:
            return ["code", *watched.fields, "contact_mechanisms.type", "contact_mechanisms.value"]
        return made.fields_of_opportunities([made.sort_fields(Record("", dict.fromkeys(watched.fields)))])

    def _changed(self, model: str, watched: Watched, row: dict[str, Any]) -> ChangedRecord | None:
        """None: nothing of it has a moment, as with rows that were put into the database past Tryton."""
        party = row if model == _PARTY else row.get("party.")
        party = party if isinstance(party, dict) else {}
        mechanisms = [entry for entry in party.get("contact_mechanisms.") or [] if isinstance(entry, dict)]
        moments = [_moment(entry) for entry in (row, party, *mechanisms)]
        known = [moment for moment in moments if moment is not None]
        if not known:
            return None
        key = row.get("code" if model == _PARTY else "reference")
        names = watched.fields
        fields = {name: row.get(name) for name in names} if model == _PARTY else made.read_fields(names, row)
        return ChangedRecord(
            str(row["id"]), str(key) if key and watched.is_keyed else None, max(known), fields, _values(mechanisms)
        )


def _values(mechanisms: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    several = {
        canonical: tuple(f"{kind} {place}" for place, entry in enumerate(mechanisms) if entry.get("type") == kind)
        for kind, canonical in _ADDRESSES.items()
    }
    flat = {f"{entry.get('type')} {place}": entry.get("value") for place, entry in enumerate(mechanisms)}
    return known_values(flat, several)


def _later(prefix: str, since: datetime) -> list[Any]:
    """A record that was never changed has the time of its making alone."""
    moment = since.astimezone(UTC)
    told = {"__class__": "datetime", **{name: getattr(moment, name) for name in _PARTS}}
    return [
        "OR",
        [[f"{prefix}write_date", ">=", told]],
        [[f"{prefix}write_date", "=", None], [f"{prefix}create_date", ">=", told]],
    ]


_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


def _moment(entry: Mapping[str, Any]) -> datetime | None:
    told = entry.get("write_date") or entry.get("create_date")
    if not isinstance(told, dict):
        return None
    try:
        return datetime(*(int(told.get(name, 0)) for name in _PARTS), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (TypeError, ValueError):
        return None
