"""Whether addresses are subscribed to types of messages: the calls about communication preferences.

A state of an address, a type and a channel is a record of the sandbox, of the kind `subscription`. The rules that a
client can break are kept: 100 inputs, types that exist, a number as a type's id, known words; what was set already is
no error. One input that is refused refuses itself alone, and the answer does not say whose it was.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.hubspot.bodies import batch_reply, read_object
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError, error
from connectors.sandbox.records import SandboxRecords

PATH = "/communication-preferences"
KIND = "subscription"
SUBSCRIPTION_TYPES = {"371111": "Marketing", "371112": "Newsletter"}
_MOST = 100
_CALL = re.compile(rf"{PATH}/(?:v4|\d{{4}}-\d{{2}})/(definitions|statuses/.+)")
_STATES = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED")
_CHANNELS = ("EMAIL", "SMS", "WHATSAPP")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+\d{6,15}")


class Subscriptions:
    """Not safe to share between threads: the dialect holds a lock."""

    def __init__(self, records: SandboxRecords) -> None:
        self._records = records

    def answer(self, request: Request) -> Reply | None:
        """Raises CallRefusedError."""
        match = _CALL.fullmatch(request.path)
        if match is None:
            return None
        what = match[1]
        if request.method == "GET" and what == "definitions":
            found = [{"id": known, "name": name, "isActive": True} for known, name in SUBSCRIPTION_TYPES.items()]
            return json_reply(200, {"status": "COMPLETE", "results": found}, f"GET {what}")
        if request.method == "POST" and what == "statuses/batch/write":
            return self._write(read_object(request.body), f"POST {what}")
        if request.method == "GET" and what.count("/") == 1:
            who = unquote(what.partition("/")[2]).lower()
            found = [entry for entry in self._all() if str(entry["subscriberIdString"]).lower() == who]
            return json_reply(200, {"status": "COMPLETE", "results": found}, "GET statuses")
        return None

    def _all(self) -> list[dict[str, Any]]:
        return [_shown(record["fields"]) for record in self._records.stream() if record["object"] == KIND]

    def _write(self, call: dict[str, Any], route: str) -> Reply:
        inputs = call.get("inputs")
        if not isinstance(inputs, list) or not inputs or not all(isinstance(entry, dict) for entry in inputs):
            raise CallRefusedError(400, "VALIDATION_ERROR", "Invalid input JSON: inputs must be a list of objects")
        if len(inputs) > _MOST:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"The maximum number of inputs is {_MOST}")
        wrong = [fault for entry in inputs if (fault := _fault_of(entry)) is not None]
        good = {_name_of(entry): entry for entry in inputs if _fault_of(entry) is None}
        if len(good) + len(wrong) < len(inputs):
            raise CallRefusedError(400, "VALIDATION_ERROR", "Duplicate inputs found for a subscriber")
        stored = self._records.upsert(KIND, good)
        results = [
            _shown(entry) | ({} if stored[name].is_changed else {"setStatusSuccessReason": "NO_STATUS_CHANGE"})
            for name, entry in good.items()
        ]
        changed = sum(written.is_changed and not written.is_created for written in stored.values())
        made = sum(written.is_created for written in stored.values())
        counts = {"created": made, "changed": changed, "rejected": len(wrong)}
        counts["unchanged"] = len(good) - made - changed
        return batch_reply(results, [error("VALIDATION_ERROR", fault) for fault in wrong], route, counts=counts)


def _name_of(entry: dict[str, Any]) -> str:
    return f"{str(entry['subscriberIdString']).lower()} {entry['subscriptionId']} {entry['channel']}"


def _fault_of(entry: dict[str, Any]) -> str | None:
    """Why an input is refused; None: it is not."""
    if not _ADDRESS.fullmatch(str(entry.get("subscriberIdString") or "")):
        return "subscriberIdString is not valid"
    if isinstance(entry.get("subscriptionId"), str) or str(entry.get("subscriptionId")) not in SUBSCRIPTION_TYPES:
        return "Subscription type does not exist in this portal"
    if entry.get("statusState") not in _STATES or entry.get("channel") not in _CHANNELS:
        return "statusState or channel is none of the allowed values"
    return None


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name not in ("statusState", "writes")}
    return {**kept, "status": entry["statusState"], "source": "API"}
