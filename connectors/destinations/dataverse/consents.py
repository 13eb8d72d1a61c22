"""Contact point consents of Dynamics 365, or a table of one's own in their place: what holds of an address.

Dynamics makes such rows itself, so one of the same address, type, purpose and topic is looked for before one is made.
It gets our key and is written to from then on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.destinations.dataverse.answers import adoption_of, result_of
from connectors.destinations.dataverse.writer import DataverseWriter
from connectors.kit import NO_LINKS, ConfigurationError, Connection, ObjectType, Record, WriteResult, check_batch
from connectors.kit.destinations.people import parts_of
from connectors.kit.multipart import Part

TABLE = "msdynmkt_contactpointconsent4s"
MATCHED_BY = "msdynmkt_contactpointvalue, msdynmkt_contactpointtype, _msdynmkt_purposeid_value, _msdynmkt_topicid_value"
_COLUMN = re.compile(r"[A-Za-z_]\w*")
_REFERENCE = re.compile(r"_(\w+)_value")  # how the Web API calls the id of what a column leads to
_BIND = "@odata.bind"
_MOST_CHARACTERS = 20_000
Told = tuple[str, ...]


class ConsentWriter(DataverseWriter):
    """As the writer of any table, and one call more where consents are told for the first time."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        told = connection.options.get("consent_matched_by")
        if told is None and connection.object == TABLE:
            told = MATCHED_BY
        self._matched_by = [name.strip() for name in str(told or "").split(",") if name.strip()]
        wrong = next((name for name in self._matched_by if not _COLUMN.fullmatch(name)), None)
        if wrong is not None:
            raise ConfigurationError(
                f"destinations.{connection.name}.options.consent_matched_by names {wrong!r}, which is no column"
            )

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        check_batch(records, 1_000)
        if not records:
            return []
        new = [record for record in records if not record.crm_id and not record.update_only]
        theirs = self._theirs(new) if self._matched_by and new else {}

        def part(place: int, record: Record) -> Part:
            crm_id = theirs.get(record.key)
            return self._by_key(place, record) if crm_id is None else self._by_id(place, replace(record, crm_id=crm_id))

        answers = self._send_batch(records, part)
        results = [result_of(record, answer, self._names) for record, answer in zip(records, answers, strict=True)]
        return [adoption_of(result) if result.key in theirs else result for result in results]

    def _theirs(self, records: Sequence[Record]) -> dict[str, str]:
        """Ids of rows without our key that say the same as these records, by their keys; each row is one record's."""
        wanted = {record.key: told for record in records if (told := self._told(record.fields))[0]}
        point = self._matched_by[0]
        values = sorted({told[0] for told in wanted.values()})
        rows: dict[Told, str] = {}
        for part in parts_of(values, most=400, most_characters=_MOST_CHARACTERS):
            listed = ",".join("'{}'".format(value.replace("'", "''")) for value in part)
            where = f"Microsoft.Dynamics.CRM.In(PropertyName='{point}',PropertyValues=[{listed}])"
            found, _ = self._rows([self._names.key_field, *self._matched_by], where)
            for row in found:
                if not row.get(self._names.key_field):
                    rows.setdefault(
                        tuple(_plain(row.get(name)) for name in self._matched_by), row[self._names.id_field]
                    )
        return {key: crm_id for key, told in wanted.items() if (crm_id := rows.pop(told, None)) is not None}

    def _told(self, fields: Mapping[str, Any]) -> Told:
        """What a record says of the columns by which it is matched."""
        bound = {name.lower(): value for name, value in fields.items() if name.endswith(_BIND)}
        told = []
        for column in self._matched_by:
            reference = _REFERENCE.fullmatch(column)
            if reference is None:
                told.append(_plain(fields.get(column)))
            else:
                leads_to = str(bound.get(f"{reference[1].lower()}{_BIND}") or "")
                told.append(_plain(leads_to.rpartition("(")[2].rstrip(")")))
        return tuple(told)


def _plain(value: Any) -> str:
    return "" if value is None else str(value).strip().casefold()


CONSENTS = (
    ObjectType(TABLE, ("consent",), links=NO_LINKS, open=ConsentWriter),
    ObjectType("*", ("consent",), open=ConsentWriter),
)
