"""The writer: one result for each record, and every failure sorted by what happens next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from connectors.destinations.salesforce.abilities import CONTACT_PREFIX, SalesforceAbilities
from connectors.destinations.salesforce.answers import CONVERTED, FIXED_FIELD, GONE, result_of
from connectors.destinations.salesforce.api import BATCH_SIZE, Api
from connectors.destinations.salesforce.changes import SalesforceChanges
from connectors.destinations.salesforce.jobs import SalesforceJobs
from connectors.destinations.salesforce.places import Decided, Place, Places
from connectors.kit import Connection, Link, QuotaError, Record, TransientError, Usage, WriteResult, check_batch

MEMBER = "CampaignMember"
_MEMBER_FIXED = ("CampaignId", "LeadId", "ContactId")  # only said when a member is made


class SalesforceWriter(SalesforceAbilities, SalesforceJobs, SalesforceChanges):
    """One object of one account. Not shared between threads: it holds one HTTP session."""

    def __init__(self, connection: Connection) -> None:
        options = connection.options
        self._fields = connection.fields
        self._object = connection.object or str(options.get("object", "Lead"))
        self._key_field = str(options.get("external_id_field", "Afluente_Id__c"))
        self.sent_as = f"{self._object} by {self._key_field}"
        self.usage = Usage()
        self._api = Api(connection, self._note_usage)
        looks_first = bool(options.get("find_contacts")) or self._object == MEMBER
        self.job_above = None if looks_first else options.get("bulk_above") or None
        self._places = Places(connection, self._api, self._object, self._key_field)

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call where nothing was written before; else up to three that look where each is now, and one for each
        kind of place."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        results = self._at_places(records, self._places.find(records))
        converted = [record for record in records if results[record.key].code == CONVERTED]
        if converted:
            results |= self._attempt(results, converted, self._write_converted)
        return [results[record.key] for record in records]

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """One call, by Salesforce's own ids; our external id is one of the fields."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        entries = [{**self._entry(record), "id": record.crm_id} for record in records]
        results = self._results(records, self._api.write("/composite/sobjects", entries, records))
        return [_adopted(results[record.key]) for record in records]

    def check(self) -> None:
        self._api.get("/limits")

    def close(self) -> None:
        self._api.close()

    def _note_usage(self, usage: Usage) -> None:
        self.usage = usage

    def _at_places(self, records: Sequence[Record], places: Mapping[str, Decided]) -> dict[str, WriteResult]:
        results = {key: place for key, place in places.items() if isinstance(place, WriteResult)}
        by_key: list[Record] = []
        by_id: dict[str, dict[str, list[Record]]] = {}  # object -> id -> whose
        for record in records:
            place = places[record.key]
            if isinstance(place, WriteResult):
                continue
            if place.crm_id is None:
                by_key.append(record)
            else:
                by_id.setdefault(place.kind, {}).setdefault(place.crm_id, []).append(record)
        if by_key:
            results |= self._upsert(by_key)
        for kind, found in by_id.items():
            alone = [wanted[0] for wanted in found.values()]
            results |= {
                record.key: WriteResult(
                    record.key, "retry", code="same_record", message="another person's is written to it first"
                )
                for wanted in found.values()
                for record in wanted[1:]
            }
            results |= self._attempt(results, alone, lambda part, kind=kind: self._update(kind, part, places))
        return {key: _told(result, places[key]) for key, result in results.items()}

    def _attempt(
        self, done: Mapping[str, WriteResult], records: Sequence[Record], write: Any
    ) -> dict[str, WriteResult]:
        """A further call of the same write. Where something was written already it must not get lost: what the call
        could not do is then said of its records."""
        try:
            written: dict[str, WriteResult] = write(records)
        except (QuotaError, TransientError) as error:
            if not any(result.state == "written" for result in done.values()):
                raise
            return {
                record.key: WriteResult(record.key, "retry", code="call_failed", message=str(error))
                for record in records
            }
        return written

    def _upsert(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        path = f"/composite/sobjects/{quote(self._object)}/{quote(self._key_field)}"
        answers = self._api.write(path, [self._entry(record) for record in records], records)
        results = self._results(records, answers)
        if self._object == MEMBER:
            known = [record for record in records if _is_for_fixed(results[record.key])]
            if known:
                results |= self._attempt(results, known, lambda part: self._rewrite_members(path, part))
        return results

    def _rewrite_members(self, path: str, records: Sequence[Record]) -> dict[str, WriteResult]:
        """Members that are there already: whose they are cannot be said again."""
        entries = [self._entry(record) for record in records]
        kept = [{name: value for name, value in entry.items() if name not in _MEMBER_FIXED} for entry in entries]
        return self._results(records, self._api.write(path, kept, records))

    def _update(self, kind: str, records: Sequence[Record], places: Mapping[str, Decided]) -> dict[str, WriteResult]:
        """By Salesforce's own ids, which makes nothing new."""
        entries, asked, results = [], [], {}
        for record in records:
            place = places[record.key]
            assert isinstance(place, Place)  # noqa: S101 - who sorted them has looked
            own = {self._key_field: record.key} if place.keeps_key else {}
            fields = {**own, **place.fields, **_links(kind, record.links)}
            if fields:
                entries.append({"attributes": {"type": kind}, "id": place.crm_id, **fields})
                asked.append(record)
            else:
                results[record.key] = WriteResult(record.key, "written", crm_id=place.crm_id, created=False)
        answers = self._api.write("/composite/sobjects", entries, asked) if asked else []
        for key, result in self._results(asked, answers).items():
            if result.state == "written":
                results[key] = replace(result, created=False)
            else:  # it was there a moment ago: the next try looks again where it is
                results[key] = replace(result, state="retry") if result.code == "ENTITY_IS_DELETED" else result
        return results

    def _write_converted(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        places = self._places.of_converted(records)
        return self._at_places([record for record in records if record.key in places], places)

    def _entry(self, record: Record) -> dict[str, Any]:
        return {
            "attributes": {"type": self._object},
            self._key_field: record.key,
            **record.fields,
            **_links(self._object, record.links),
        }

    def _results(self, records: Sequence[Record], answers: Sequence[Any]) -> dict[str, WriteResult]:
        of_members = self._object == MEMBER
        return {
            record.key: result_of(record, answer, self._key_field, of_members=of_members)
            for record, answer in zip(records, answers, strict=True)
        }


def _links(kind: str, links: Sequence[Link]) -> dict[str, str | None]:
    """A member is a lead or a contact: the id says which, whatever the mapping calls it."""
    if kind != MEMBER:
        return {link.role: link.crm_id for link in links}
    return {_person_role(link) if link.role in ("LeadId", "ContactId") else link.role: link.crm_id for link in links}


def _person_role(link: Link) -> str:
    return "ContactId" if (link.crm_id or "").startswith(CONTACT_PREFIX) else "LeadId"


def _is_for_fixed(result: WriteResult) -> bool:
    return result.code == FIXED_FIELD and (result.field in _MEMBER_FIXED or result.field is None)


def _adopted(result: WriteResult) -> WriteResult:
    """A record that was to be taken over: gone meanwhile, or of a key that another has."""
    if result.code in GONE and result.field is None:
        return replace(result, state="retry", code="record_gone", blames_setting=False)
    if result.code == "DUPLICATE_VALUE" and result.state == "retry":
        return replace(result, code="key_taken")
    return replace(result, created=False) if result.state == "written" else result


def _told(result: WriteResult, place: Decided) -> WriteResult:
    """With what was done otherwise, where it was done."""
    if result.state != "written" or isinstance(place, WriteResult) or place.code is None or result.code:
        return result
    return replace(result, code=place.code, message=place.message)
