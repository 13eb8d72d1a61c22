"""Where the ledger and the audit log's heads lie: can they be written, and do they outlive what they are kept for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.privacy import ledger
from pipeline.settings.loading import Settings
from pipeline.store.engine import data_directory

_MOVE = "move the file to a folder apart from it, which AFLUENTE_RECORDS names (docs/backup-and-restore.md)"


def check_records(known: Settings) -> Iterator[Check]:
    """One that fails for each thing that is wrong, else one that passes."""
    path = ledger.ledger_path(known)
    problems = [*_places(known, path), *_of_ledger(known, path)]
    for detail, remedy in problems:
        yield failed("records", detail, remedy)
    if not problems:
        yield passed("records", f"ledger {path}; heads of the audit log {known.audit_anchor}")


def _places(known: Settings, path: Path) -> Iterator[tuple[str, str]]:
    """A folder that is not mounted would be made anew where it is lost."""
    ours = {known.records / "privacy": known.records}
    for what, setting, folder in (
        ("the ledger", "privacy.ledger", ours.get(path.parent, path.parent)),
        ("the heads of the audit log", "audit.anchor", known.audit_anchor.parent),
    ):
        if folder != known.data and not folder.is_dir():  # that is made at the first start
            yield (
                f"{folder}, which is to hold {what}, is not there",
                f"mount or make it, or correct {setting} or AFLUENTE_RECORDS",
            )


def _of_ledger(known: Settings, path: Path) -> Iterator[tuple[str, str]]:
    named = known.privacy.ledger
    if named and not Path(named).is_absolute():
        yield (
            f"privacy.ledger is {named}: another file for each folder that a program is started in; here {path}",
            "write the whole path, which begins with /",
        )
    if (error := _why_unwritable(path)) is not None:
        yield (
            f"the ledger {path} cannot be written ({error}): nobody can be erased or held",
            "give the account of the program rights there, or make room",
        )
    database = _folder_of_database(known)
    if database is not None and path.is_relative_to(database):
        yield f"the ledger {path} lies in the database's own folder: what is restored there takes it back too", _MOVE
    elif known.is_embedded_database and path.is_relative_to(known.data) and _has_entries(path):
        yield f"the ledger {path} lies beside the database: who restores or loses {known.data} has lost it too", _MOVE


def _why_unwritable(path: Path) -> str | None:
    """None: it can be written, or made. Changes nothing."""
    try:
        if path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
            return None
        folder = next(parent for parent in path.parents if parent.exists())
    except OSError as error:
        return type(error).__name__
    return None if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK) else "PermissionError"


def _folder_of_database(known: Settings) -> Path | None:
    """None: it cannot be told, as of a server elsewhere, or of one whose account may not ask."""
    if known.is_embedded_database:
        return known.data / "postgres"

    told = asked(data_directory)
    return Path(told) if told and Path(told).is_dir() else None


def _has_entries(path: Path) -> bool:
    try:
        return bool(ledger.read_ledger(path).lines)
    except ConfigurationError:
        return False  # its own check says so
