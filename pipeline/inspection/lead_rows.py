"""Event rows of the store with their normalized fields beside them, batch by batch, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.canonical import CUSTOM
from pipeline.inspection.recomputed import Recomputed, recompute
from pipeline.store.events.quarantine import open_codes
from pipeline.store.people.recorded import Recorded, read_recorded
from pipeline.values.derived import derive

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.records import Lead

_BATCH = 500  # events opened at once: a few megabytes at most


def with_fields(
    connection: Connection, rows: Iterable[Mapping[str, Any]], *, renamed: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Rows that hold an `event_id` and a `state`, each with fields, `consents`, `custom`, `flags`, what its touch came
    from, and why it does not go on: `reason`, and the `rule` of mappings/validation.yaml that suppresses it, if any.

    Consents and what the touch was attributed to are facts: as they were recorded, whatever the mapping would read now.

    `renamed` gives fields another name where a row has a column of that name, which wins.
    """
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        event_ids = [row["event_id"] for row in batch]
        events = recompute(connection, event_ids)
        recorded = read_recorded(connection, event_ids)
        codes = open_codes(connection, [row["event_id"] for row in batch if row["state"] == "quarantined"])
        for row in batch:
            event = events.get(row["event_id"])
            lead = event.lead if event else None
            fields = _fields(lead, renamed) if lead else {}
            facts = _facts(recorded.get(row["event_id"]) or Recorded())
            why = {
                "reason": row["reason"] or codes.get(row["event_id"]) or _unreadable(event),
                "rule": event.rule if event and row["state"] == "suppressed" else None,
            }
            yield _with_its_own_id({**fields, **facts, **row, **why}, lead)


def _unreadable(event: Recomputed | None) -> str | None:
    """Why a row has no fields although nothing is wrong with its lead."""
    return "mapping_unreadable" if event is not None and event.mapping is None else None


def _with_its_own_id(row: dict[str, Any], lead: Lead | None) -> dict[str, Any]:
    """An id that is an address or a number stands in the sealed body alone."""
    if lead is not None and "external_id" in row and row["external_id"] is None:
        row["external_id"] = lead.fields.get("external_id")
    return row


def _facts(recorded: Recorded) -> dict[str, Any]:
    return {
        "consents": [consent.named() for consent in recorded.consents],
        "touch_source": recorded.source,
        "touch_medium": recorded.medium,
        "touch_campaign": recorded.campaign,
    }


def _fields(lead: Lead, renamed: Mapping[str, str]) -> dict[str, Any]:
    own = {name.removeprefix(CUSTOM): value for name, value in lead.fields.items() if name.startswith(CUSTOM)}
    return {
        **{renamed.get(name, name): value for name, value in lead.fields.items()},
        "custom": {**lead.custom, **own},
        "flags": lead.flags,
        **derive(lead.fields),
    }
