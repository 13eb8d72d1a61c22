"""What becomes of records in an organization: leads are converted, records merged. In Salesforce people do that, or a
program by SOAP or Apex; here it is asked for as an action, `POST …/actions/custom/apex/ConvertLead`.
"""

from __future__ import annotations

from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, json_reply
from connectors.sandbox.dialects.salesforce.rows import RefusedError, Rows, kind_of, record_id
from connectors.sandbox.records import SandboxRecords

_OF_CONTACT = ("FirstName", "LastName", "Email", "Phone", "MobilePhone", "Title", "LeadSource", "Description")


class Fates:
    def __init__(self, records: SandboxRecords, rows: Rows) -> None:
        self._records, self._rows = records, rows

    def answer(self, action: str, body: bytes) -> Reply:
        """Raises RefusedError."""
        try:
            inputs = orjson.loads(body)["inputs"]
            work = {"ConvertLead": self._convert, "MergeRecords": self._merge}[action]
            values = [work(asked) for asked in inputs]
        except (ValueError, TypeError, KeyError):
            raise RefusedError(404, "NOT_FOUND", "The requested resource does not exist") from None
        results = [{"actionName": action, "isSuccess": True, "outputValues": value, "errors": None} for value in values]
        return json_reply(200, results, f"POST actions/{action}")

    def _convert(self, asked: dict[str, str]) -> dict[str, Any]:
        """`leadId`, and `contactId` where it becomes one that is there."""
        key = self._rows.key_of("Lead", asked["leadId"])
        stored = self._records.find("Lead", key) if key is not None else None
        if key is None or stored is None or stored[1].get("IsConverted"):
            raise RefusedError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        contact_id = asked.get("contactId")
        if contact_id is None:
            fields = {name: value for name, value in stored[1].items() if name in _OF_CONTACT}
            made = f"id=converted-{asked['leadId']}"
            contact_id = record_id(self._records.upsert("Contact", {made: fields})[made].number, "Contact")
        fields = {"IsConverted": True, "Status": "Closed - Converted", "ConvertedContactId": contact_id}
        self._records.upsert("Lead", {key: fields})
        return {"contactId": contact_id}

    def _merge(self, asked: dict[str, str]) -> dict[str, Any]:
        """`masterId` stays, `mergedId` goes."""
        master, merged = asked["masterId"], asked["mergedId"]
        if kind_of(master) != kind_of(merged) or self._rows.key_of(kind_of(master), master) is None:
            raise RefusedError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        error = self._rows.delete(merged, master=master)
        if error is not None:
            raise RefusedError(400, *error)
        return {"id": master}
