"""Click ids: what a parameter that a platform hung on a link proves. The table is a vocabulary, `click_ids.yaml`."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from pipeline.canonical import CLICK_IDS
from pipeline.values.vocabularies import vocabulary


class ClickId(NamedTuple):
    """One row of the table. Source and medium None: the id is kept, and proves nothing by itself."""

    source: str | None
    medium: str | None
    is_paid: bool
    is_payload_only: bool


@cache
def click_ids() -> dict[str, ClickId]:
    """Every click id that is kept, in the order in which they decide."""
    known = {
        name: ClickId(
            entry.get("source"), entry.get("medium"), bool(entry.get("paid")), bool(entry.get("payload_only"))
        )
        for name, entry in vocabulary("click_ids").items()
        if not entry.get("personal")
    }
    for name in CLICK_IDS:  # a promise of the interface, whatever the table says
        known.setdefault(name, ClickId(None, None, is_paid=False, is_payload_only=False))
    return known


@cache
def link_parameters() -> dict[str, str]:
    """Parameter of a link, in small letters -> the click id it is."""
    table = vocabulary("click_ids")
    parameters = {}
    for name, known in click_ids().items():
        if not known.is_payload_only:
            for spelling in (name, *(table.get(name, {}).get("also") or ())):
                parameters[str(spelling).lower()] = name
    return parameters
