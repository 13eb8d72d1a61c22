"""All that we hold of somebody, for them: what the inventory says an export shows, opened, and what article 15 of the
GDPR asks for besides. Nobody else is in it, and no digest.

Two parts come of one reading: `data.json` by the schema's names, and a summary that people read; each table is a CSV
file too. docs/privacy-request.md shows them.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import open_evidence, open_profile
from pipeline.errors import NotFoundError, RecordError, UsageError
from pipeline.identity.activities import open_kept
from pipeline.identity.evidence_cache import unpack
from pipeline.privacy.exporting.summary import extras_of, summary_of
from pipeline.privacy.inventory import NOT_EXPORTED, SEALED, Held, tables_of_people
from pipeline.privacy.subjects import Asked, check_asked, find_subjects
from pipeline.replay import connector_in_force
from pipeline.settings.installation import unusable
from pipeline.stages.mapping.stored_records import read_record
from pipeline.store.engine import transaction
from pipeline.store.erasures import rows
from pipeline.store.events import events, quarantine

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Row = dict[str, Any]
Ids = Mapping[str, Iterable[UUID]]


class PersonExport(msgspec.Struct, frozen=True):
    """`tables`: by table its rows, values opened. `extras`: purposes, recipients, sources, retention, rights."""

    person_ids: list[UUID]
    brands: list[str]
    made_at: datetime
    tables: dict[str, list[Row]]
    extras: dict[str, Any]

    def __repr__(self) -> str:
        return f"<PersonExport of {len(self.person_ids)} ids>"

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "person_ids": self.person_ids,
            "brands": self.brands,
            "made_at": self.made_at,
            "about": self.extras,
            "tables": self.tables,
        }


def export_people(
    asked: Asked, *, reason: str | None = None, action: str = "person.export", outcome: str = "done"
) -> PersonExport:
    """All that is held of whoever is asked for, read in one transaction, with an entry in the audit log
    (`action`, `outcome`). Raises UsageError, NotFoundError."""
    check_asked(asked)
    with transaction() as connection:
        found = find_subjects(connection, asked).found
        if not found.people:
            raise NotFoundError("nobody is known by this: there is nothing to export")
        made = read_export(connection, found.ids, found.people)
        for brand in sorted(set(found.people.values())):
            record_action(
                connection,
                action,
                brand=brand,
                object_kind="person",
                object_id=min(known for known, of_brand in found.people.items() if of_brand == brand),
                reason=reason,
                outcome=outcome,
            )
    return made


def read_export(connection: Connection, ids: Mapping[str, Any], people: Mapping[UUID, str]) -> PersonExport:
    """What is held of these ids, by the words of the inventory. A statement a table, and two for each 200 events."""
    tables = {
        held.table: read
        for held in tables_of_people()
        if held.exported and held.reach and (read := _read_table(connection, held, ids))
    }
    extras = extras_of(tables)
    return PersonExport(sorted(people), sorted(set(people.values())), datetime.now(UTC), tables, extras)


def _read_table(connection: Connection, held: Held, ids: Mapping[str, Any]) -> list[Row]:
    if held.table == "event_bodies":
        return _read_bodies(connection, sorted(ids.get("event", ())))
    shown = [column.name for column in held.exported]
    needed = [name for name in _OPENED_BY.get(held.table, ()) if name not in shown]
    sealed = {column.name for column in held.exported if column.kind == SEALED}
    read = rows.read_rows(connection, held.table, [*shown, *needed], held.reach, ids)
    if held.table == "quarantine":
        return _with_patches(connection, read, needed)
    opened = []
    for row in read:
        values = {name: _opened(held.table, name, row) if name in sealed else row[name] for name in shown}
        opened.append(values)
    return sorted(opened, key=lambda row: json.dumps(row, default=str, sort_keys=True))


# The ids that a sealed column is opened by, where the export does not show them anyway.
_OPENED_BY = {"evidence": ("evidence_id",), "quarantine": ("quarantine_id",)}
_OPENERS: dict[tuple[str, str], Callable[[Row], Any]] = {
    ("people", "profile"): lambda row: _profile(row["profile"], row["person_id"]),
    ("evidence", "sealed"): lambda row: msgspec.to_builtins(
        msgspec.structs.asdict(unpack(open_evidence(row["sealed"], row["evidence_id"])))
    ),
    ("activities", "sealed"): lambda row: msgspec.to_builtins(
        msgspec.structs.asdict(open_kept(row["sealed"], row["event_id"]))
    ),
    ("activities", "sealed_evidence"): lambda row: msgspec.to_builtins(
        msgspec.structs.asdict(unpack(open_evidence(row["sealed_evidence"], row["event_id"])))
    ),
}


def _opened(table: str, column: str, row: Row) -> Any:
    return None if row[column] is None else _OPENERS[table, column](row)


def _profile(sealed: bytes, person_id: UUID) -> dict[str, Any]:
    """Each value with where it comes from."""
    profile = open_profile(sealed, person_id)
    return {
        name: {"value": field.value, "source": field.source, "event_id": field.event_id, "at": field.at}
        for name, field in profile.fields.items()
    } | {
        f"{name} (other values)": [{"value": vote.value, "source": vote.source, "at": vote.at} for vote in votes]
        for name, votes in profile.votes.items()
        if votes
    }


def _with_patches(connection: Connection, read: Sequence[Row], needed: Sequence[str]) -> list[Row]:
    """What a human set for an event in quarantine."""
    patches = quarantine.read_patches(connection, [row["event_id"] for row in read if row["event_id"] is not None])
    return [
        {
            **{name: value for name, value in row.items() if name not in needed},
            "patch": patches.get(row["event_id"]) if row["patch"] is not None else None,
        }
        for row in read
    ]


def _read_bodies(connection: Connection, event_ids: Sequence[UUID]) -> list[Row]:
    """What came of each event: of a body of several records its own part alone."""
    found = []
    for start in range(0, len(event_ids), 200):
        for raw in events.read_events(connection, event_ids[start : start + 200]):
            try:
                record: Any = read_record(raw, connector_in_force(raw))
            except RecordError as error:
                is_alone = raw.request is None
                record = raw.envelope.body.decode("utf-8", "replace") if is_alone else {"unreadable": error.code}
            origin = {name: value for name, value in raw.envelope.origin.items() if name not in ("key",)}
            row = {"event_id": raw.event_id, "record": record, "headers": raw.envelope.headers, "origin": origin}
            if raw.fetched is not None:
                row["fetched"] = raw.fetched.body.decode("utf-8", "replace")
            found.append(row)
    return found


def write_export(made: PersonExport, out: Path) -> list[str]:
    """Write an export into a folder that is not there yet, or into a zip archive where `out` ends so; gives the names
    of its files. Raises UsageError where something is there, or it cannot be written."""
    files = {
        "summary.md": summary_of(made.data()),
        "data.json": json.dumps(made.data(), default=_plain, ensure_ascii=False, indent=2) + "\n",
        **{f"tables/{table}.csv": _csv(read) for table, read in sorted(made.tables.items())},
    }
    if out.exists():
        raise UsageError(f"{out} is there already: name one that is not", argument="out")
    try:
        if out.suffix.lower() == ".zip":
            _write_zip(out, files)
        else:
            _write_folder(out, files)
    except OSError as error:
        raise UsageError(unusable(out, error, folder="name another file with --out"), argument="out") from error
    return sorted(files)


def _write_zip(out: Path, files: Mapping[str, str]) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    out.touch(mode=0o600, exist_ok=False)
    out.write_bytes(content.getvalue())


def _write_folder(out: Path, files: Mapping[str, str]) -> None:
    out.mkdir(parents=True, mode=0o700)
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


def _csv(read: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for row in read for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in read)
    return text.getvalue()


def _cell(value: Any) -> str:
    """A text that a spreadsheet would take for a formula begins with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    text = str(_plain(value)) if not isinstance(value, str) else value
    return f"'{text}" if isinstance(value, str) and text.startswith(_BEGINS_A_FORMULA) else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if not isinstance(value, bool | int | float) else value


def reasons_for_leaving_out() -> dict[str, str]:
    """By `table.column` why an export does not show it, of what is of a person."""
    return {f"{table}.{column}": why for (table, column), why in NOT_EXPORTED.items()}
