"""Survivorship: which value wins when leads of one person meet. Field by field the newest, by (occurred_at, event_id).

Merging is commutative and idempotent: whatever order leads arrive in, however often, the profile is the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.records import FieldValue, Lead, Profile
from pipeline.stages.canonical import PERSON_FIELDS
from pipeline.stages.values import is_empty

# Addresses: the newest main one is golden, every other one ever seen is kept beside it.
ADDRESSES = {"email": "other_emails", "phone": "other_phones"}
_SINGLE_FIELDS = tuple(field for field in PERSON_FIELDS if field not in ADDRESSES and field not in ADDRESSES.values())
# A placeholder such as info@… may collect thousands of numbers; beyond this many the alphabetically first ones stay.
OTHERS_LIMIT = 50


def merge_profile(profile: Profile, lead: Lead) -> tuple[Profile, bool]:
    """The profile with the lead's values in it, and whether any value (not only its provenance) changed.

    Empty values never overwrite. The profile handed in is left as it is.
    """
    merged = dict(profile.fields)
    stamp = (lead.occurred_at, lead.event_id)
    for field in _SINGLE_FIELDS:
        value = lead.fields.get(field)
        if not is_empty(value):
            known = merged.get(field)
            if known is None or stamp >= (known.at, known.event_id):
                merged[field] = FieldValue(value, lead.source, lead.event_id, lead.occurred_at)
    for main, others in ADDRESSES.items():
        _merge_addresses(merged, lead, main, others)
    changed = _values(merged) != _values(profile.fields)
    return Profile(merged), changed


def _merge_addresses(merged: dict[str, FieldValue], lead: Lead, main: str, others: str) -> None:
    seen = [value for value in (lead.fields.get(main), *lead.fields.get(others, ())) if value]
    if not seen:
        return
    mine = FieldValue(lead.fields.get(main), lead.source, lead.event_id, lead.occurred_at)
    golden, rest = merged.get(main), merged.get(others)
    known = set(seen)
    if golden is not None:
        known.add(golden.value)
    if rest is not None:
        known.update(rest.value)
    if mine.value and (golden is None or _stamp(mine) >= _stamp(golden)):
        merged[main] = mine
        newest = mine.value
    else:
        newest = golden.value if golden is not None else None
    known.discard(newest)
    if known:
        # The list is dated as the golden address is, else as its newest bringer: neither depends on the order.
        latest = merged.get(main) or max((value for value in (mine, rest) if value is not None), key=_stamp)
        merged[others] = FieldValue(sorted(known)[:OTHERS_LIMIT], latest.source, latest.event_id, latest.at)
    else:
        merged.pop(others, None)


def _stamp(value: FieldValue) -> tuple[datetime, UUID]:
    return value.at, value.event_id


def _values(fields: dict[str, FieldValue]) -> dict[str, Any]:
    return {name: field.value for name, field in fields.items()}
