"""Which records were changed in Salesforce, by `SystemModstamp`, which moves with whatever changes a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.destinations.salesforce.api import Api, escaped
from connectors.kit import ChangedRecord, ChangesPage, ConfigurationError, SentField, TransientError, Watched
from connectors.kit.destinations.people import known_values, person_names

_PAGE = 1_000
_STAMP = "SystemModstamp"
_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")  # with dots: of the record that a field leads to
_ADDRESSES = {"email": "Email", "phone": "Phone", "mobile_phone": "MobilePhone"}
_OF_PEOPLE = ("Lead", "Contact")


class SalesforceChanges:
    """A part of the writer."""

    _api: Api
    _object: str
    _key_field: str
    _fields: tuple[SentField, ...]

    def list_changes(self, watched: Watched, since: datetime | None, cursor: str | None = None) -> ChangesPage:
        """One call for 1,000 records, in the order of their changes, those in the recycle bin among them. The cursor is
        the last one's moment and id: who is changed meanwhile stands further on."""
        kind = watched.object or self._object
        stamp = watched.changed_field or _STAMP
        addresses = self._addresses(kind, watched)
        asked = [name for names in addresses.values() for name in names]
        names = list(dict.fromkeys((*([self._key_field] if watched.is_keyed else []), *watched.fields, *asked, stamp)))
        for name in (kind, *names):
            if not _NAME.fullmatch(name):
                raise ConfigurationError(f"{self._api.name}: {name!r} is no name of a field or object of Salesforce")
        soql = f"SELECT Id, {', '.join(names)} FROM {kind}"  # noqa: S608 - SOQL reads only, and names were checked
        where = _after(stamp, since, cursor, may_be_empty=watched.changed_field is not None)
        rows = self._api.query(
            " ".join(part for part in (soql, where, f"ORDER BY {stamp}, Id LIMIT {_PAGE}") if part), with_deleted=True
        )
        told = [self._changed(row, watched, addresses, stamp) for row in rows]
        records = tuple(record for record in told if record is not None)
        if len(rows) < _PAGE:
            return ChangesPage(records, None, len(rows) - len(records))
        if not records:
            raise TransientError(f"{self._api.name}: no record of a page says when it was changed")
        following = f"{records[-1].changed_at.isoformat()} {records[-1].crm_id}"
        return ChangesPage(records, following, len(rows) - len(records))

    def _addresses(self, kind: str, watched: Watched) -> Mapping[str, Sequence[str]]:
        if watched.addresses:
            return watched.addresses
        if kind not in _OF_PEOPLE:
            return {}
        return person_names(_ADDRESSES, self._fields if kind == self._object else ())

    def _changed(
        self, row: Mapping[str, Any], watched: Watched, addresses: Mapping[str, Sequence[str]], stamp: str
    ) -> ChangedRecord | None:
        """None: a field of the company's own holds no moment; Salesforce's always does."""
        moment = _moment(_value(row, stamp))
        if moment is None:
            if watched.changed_field is not None:
                return None
            raise TransientError(f"{self._api.name}: a record says not when it was changed")
        flat = {name: _value(row, name) for names in addresses.values() for name in names}
        key = row.get(self._key_field) if watched.is_keyed else None
        return ChangedRecord(
            str(row["Id"]),
            str(key) if key else None,
            moment,
            {name: _value(row, name) for name in watched.fields},
            known_values(flat, addresses),
        )


def _moment(told: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(told)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _after(stamp: str, since: datetime | None, cursor: str | None, *, may_be_empty: bool) -> str:
    """Where an empty moment would stand first there is no cursor to be made of it; later than another none is."""
    if cursor is not None:
        moment, _, last = cursor.partition(" ")
        at = _shown(datetime.fromisoformat(moment))
        return f"WHERE ({stamp} > {at} OR ({stamp} = {at} AND Id > '{escaped(last)}'))"
    if since is None:
        return f"WHERE {stamp} != null" if may_be_empty else ""
    return f"WHERE {stamp} >= {_shown(since)}"


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _value(row: Mapping[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
