"""Does a writer tell whatever was changed in the CRM, whoever changed it?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.kit.conformance.destinations.workbenches import NotApplicable, Workbench
from connectors.kit.destinations.capabilities import ChangedRecord, Watched, abilities_of
from connectors.kit.destinations.declarations import Record

_MOST_PAGES = 1_000


def changes_are_told_with_their_moment(bench: Workbench) -> list[str]:
    """All that was written is told, once, with our key, its address and what was asked for; from the moment on at which
    something was changed, that is told again, as it is by now."""
    with bench.writer() as writer:
        if "tells_changes" not in abilities_of(writer):
            raise NotApplicable("its writer has no method list_changes")
        email = bench.field_of("email")
        people = bench.people(3)
        changed = bench.changed(people[0])
        news = [name for name, value in changed.fields.items() if value != people[0].fields.get(name)]
        watched = Watched(fields=(email, *news), changed_field=bench.changed_field)
        writer.write(people)
        first = _listed(writer, watched, None)
        if first is None:
            return [f"the changes have no end after {_MOST_PAGES} pages"]
        problems = _told(people, first, email)
        if problems:
            return problems
        moments = {record.key: record.changed_at for record in first}
        since = max(moments[person.key] for person in people)
        writer.write([changed])
        again = _listed(writer, watched, since) or []
    found = [record for record in again if record.key == changed.key]
    if len(found) != 1:
        return [f"a record that was changed is told {len(found)} times from the last moment on; due: once"]
    if found[0].changed_at < moments[changed.key]:
        problems.append("a record that was changed later is told with an earlier moment")
    if any(found[0].fields.get(name) != changed.fields[name] for name in news):
        problems.append("a record that was changed is told as it was before")
    if any(record.changed_at < since for record in again):
        problems.append("what was changed before the moment asked for is told too")
    return problems


def _told(people: Sequence[Record], told: Sequence[ChangedRecord], email: str) -> list[str]:
    problems = []
    for place, person in enumerate(people):
        found = [record for record in told if record.key == person.key]
        if len(found) != 1:
            problems.append(f"record {place} is told {len(found)} times; due: once")
            continue
        if found[0].fields.get(email) != person.fields[email]:
            problems.append(f"record {place} is told without the field that was asked for, or with another's")
        if found[0].values.get("email", "").lower() != person.fields[email].lower():
            problems.append(f"record {place} is told without its e-mail as values['email'], or with another's")
        if found[0].changed_at.tzinfo is None:
            problems.append(f"record {place} is told with a moment of no zone")
    return problems


def _listed(writer: Any, watched: Watched, since: datetime | None) -> list[ChangedRecord] | None:
    told: list[ChangedRecord] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = writer.list_changes(watched, since, cursor)
        told += page.records
        cursor = page.cursor
        if cursor is None:
            return told
    return None
