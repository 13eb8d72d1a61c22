"""Event rows of the store with their normalized fields beside them, batch by batch, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.cli.recomputed import recompute
from pipeline.stages.derived import derive

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.records import Lead

_BATCH = 500  # events opened at once: a few megabytes at most


def with_fields(
    connection: Connection, rows: Iterable[Mapping[str, Any]], *, renamed: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Rows that hold an `event_id`, each with canonical and derived fields, `consents`, `custom` and `flags`.

    `renamed` gives fields another name where a row has a column of that name, which wins.
    """
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        found = recompute(connection, [row["event_id"] for row in batch])
        for row in batch:
            lead = found[row["event_id"]].lead if row["event_id"] in found else None
            yield _with_its_own_id({**(_fields(lead, renamed) if lead else {}), **row}, lead)


def _with_its_own_id(row: dict[str, Any], lead: Lead | None) -> dict[str, Any]:
    """An id that is an address or a number stands in the sealed body alone."""
    if lead is not None and "external_id" in row and row["external_id"] is None:
        row["external_id"] = lead.fields.get("external_id")
    return row


def _fields(lead: Lead, renamed: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{renamed.get(name, name): value for name, value in lead.fields.items()},
        "consents": [consent.named() for consent in lead.consents],
        "custom": lead.custom,
        "flags": lead.flags,
        **derive(lead.fields),
    }
