"""Checks of the ledger and of retention."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.health.privacy.records import check_records
from pipeline.privacy import ledger
from pipeline.privacy.retention.plan import standings
from pipeline.settings.loading import Settings
from pipeline.store.retention import rules as stored

_REPLAY = "`afluente privacy replay-ledger` does again what they say; `afluente up` does so at its start"
_COPY = "restore the file from the copy that you keep of it (docs/backup-and-restore.md)"


def check_privacy(known: Settings) -> Iterator[Check]:
    """What needs the database is left out while it is away: its own check says so."""
    yield from check_records(known)
    yield from _check_ledger(known)
    if known.retention:
        yield from _check_retention(known)


def _check_ledger(known: Settings) -> Iterator[Check]:
    path = ledger.ledger_path(known)

    def look(connection: Connection) -> tuple[int, int]:
        return len(ledger.unknown_lines(connection, path=path)), ledger.count_missing(connection, path=path)

    try:
        lines = ledger.read_ledger(path).lines
    except ConfigurationError as error:
        yield failed("ledger", str(error), _COPY)
        return
    found = asked(look)
    if found is None:
        return
    unknown, missing = found
    if unknown:
        detail = f"the database does not know {unknown} of its {len(lines)} entries: it is that of an older backup"
        yield failed("ledger", detail, _REPLAY)
    if missing:
        detail = f"{path} lacks {missing} entries that the database knows: it was cut, or another file is meant"
        yield failed("ledger", detail, _COPY)
    if not unknown and not missing:
        yield passed("ledger", f"{len(lines)} entries, all known to the database")


def _check_retention(known: Settings) -> Iterator[Check]:
    approved = asked(stored.read_approved)
    if approved is None:
        return
    found = standings(known.retention, approved)
    waiting = [standing.rule.name for standing in found if standing.waits]
    if waiting:
        yield failed(
            "retention",
            f"waits to be approved, as new or shorter than before: {', '.join(waiting)}",
            "look at what would go with `afluente retention preview`, then `afluente retention run --approve`",
        )
    else:
        yield passed("retention", f"{len(found)} rules in force")
