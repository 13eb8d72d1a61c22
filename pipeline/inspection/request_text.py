"""Stored bodies as text for people: the whole of one, or of a larger one the record that is asked for and no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.errors import RecordError

if TYPE_CHECKING:
    from connectors.kit import Connector
    from pipeline.records import RawEvent


def body_text(body: bytes) -> str:
    """A body as text, in whatever encoding reads it: UTF-8, else what old pages write."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def part_text(raw: RawEvent, connector: Connector | None) -> str:
    """What came as this record, with what stands beside it under `^`, as JSON; empty if it is gone.

    The other records of the body are other people's.
    """
    from connectors.kit.sources.parts import with_beside
    from pipeline.stages.mapping.stored_records import read_part

    try:
        part = read_part(raw, connector)
    except RecordError:
        return ""
    shown = with_beside(part.value, part.beside) if isinstance(part.value, dict) else part.value
    try:
        return json.dumps(shown, ensure_ascii=False)
    except RecursionError:
        return ""
