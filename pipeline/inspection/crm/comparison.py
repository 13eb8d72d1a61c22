"""What was sent against what a CRM says it has: the same though spelled otherwise, changed, or lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.values.dates.times import parse_instant

SAME, CHANGED, LOST = "same", "changed", "lost"


def compare(kind: str, sent: Any, found: Any) -> str:
    """`kind` is the mapping's type of the field."""
    if sent in (None, ""):
        return SAME if found in (None, "") else CHANGED
    if found in (None, ""):
        return LOST
    return SAME if _plain(kind, sent) == _plain(kind, found) else CHANGED


def _plain(kind: str, value: Any) -> Any:
    text = str(value).strip()
    if kind in ("number", "integer"):
        try:
            return float(text)
        except ValueError:
            return text
    if kind == "boolean":
        return text.lower() in ("true", "1", "yes")
    if kind == "datetime":
        moment = value if isinstance(value, datetime) else parse_instant(int(text) if text.isdecimal() else text)
        return moment.replace(microsecond=0) if moment is not None else text
    if kind == "date":
        return text[:10]
    return text.casefold() if kind == "email" else text.replace("\r\n", "\n")
