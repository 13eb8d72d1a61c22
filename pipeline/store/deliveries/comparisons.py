"""What a CRM said of the mapping that is written to it: when it was asked last, and what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays


class Comparison(msgspec.Struct, frozen=True):
    """`findings`: sentences; `fault`: why the CRM could not be asked, None: it was, or describes nothing. `age_seconds`
    at the moment of reading."""

    mapping_version: str
    compared_at: datetime
    findings: tuple[str, ...]
    fault: str | None
    age_seconds: float


_NOTE = """
INSERT INTO mapping_comparisons (destination, mapping_version, findings, fault)
VALUES (%(destination)s, %(version)s, %(findings)s::text[], %(fault)s)
ON CONFLICT (destination) DO UPDATE SET mapping_version = excluded.mapping_version, compared_at = now(),
    findings = CASE WHEN excluded.fault IS NULL THEN excluded.findings ELSE mapping_comparisons.findings END,
    fault = excluded.fault
"""


def note_comparison(
    connection: Connection, destination: str, mapping_version: str, *, findings: Sequence[str], fault: str | None
) -> None:
    """What was found just now; where the CRM could not be asked, what was found before stays. One statement."""
    values = {
        "destination": destination,
        "version": mapping_version,
        "findings": arrays.texts(findings),
        "fault": None if fault is None else arrays.clean(fault),
    }
    connection.exec_driver_sql(_NOTE, values)


def read_comparisons(connection: Connection) -> dict[str, Comparison]:
    """By destination. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT destination, mapping_version, compared_at, findings, fault,"
        " extract(epoch FROM now() - compared_at)::float8 FROM mapping_comparisons"
    )
    return {
        name: Comparison(version, compared_at, tuple(findings), fault, age)
        for name, version, compared_at, findings, fault, age in rows
    }
