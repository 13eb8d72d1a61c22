"""One look into a drop folder: what is whole is moved into `working/`, imported, and moved to where it ends.

A kill may come anywhere. A file lies in exactly one folder at any time; one in `working/` is taken up again, after the
rows that are stored already; and which bytes have been read is known by their digest, whatever the file is called.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson
from sqlalchemy import Connection

from connectors.kit import DropFolder
from connectors.kit.sources.collected.kinds import read_position
from pipeline.health.version import package_version
from pipeline.intake.files.imports import ImportReport, Piece, import_file
from pipeline.intake.files.reading import ReadAs
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.intake.folders.places import (
    ARCHIVE,
    MOST_ENTRIES,
    REASON,
    REJECTED,
    WORKING,
    DropPlace,
    Entry,
    UnreadableEntryError,
    folder_of,
)
from pipeline.intake.folders.ripeness import COMPANIONS, digest_of, look_for_ripe
from pipeline.intake.instances import SourceInstance
from pipeline.intake.poll_reports import HOLD_SECONDS, RUN_SECONDS, PollReport
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import STREAM
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.store.engine import transaction
from pipeline.store.events import cursors, dropped_files
from pipeline.store.events.dropped_files import DroppedFile, RowCounts
from pipeline.store.keyring import blind_index

_MOST_ATTEMPTS = 3  # readings without a row stored: then the file itself is the reason
_log = get_logger(__name__)


class _Rejected(Exception):  # noqa: N818 - a verdict on a file, no fault of ours
    """Why a file goes to `rejected/`: `code` for logs, the text for the person who put it there."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class _StillWrittenError(Exception):
    """Somebody wrote to the file while it was read: what it holds now is something else."""


def read_folder(
    known: Settings, instance: SourceInstance, cursor: cursors.StoredCursor, report: PollReport, _begin_at: str | None
) -> bool:
    """Import what is whole in the folder. True if nothing whole is left, False if the time for one run is up.

    Raises ConfigurationError and TransientError where the folder, its disk or our database cannot be used.
    """
    with DropPlace(folder_of(known, instance.slug), f"sources.{instance.slug}.folder") as place:
        return _Scan(known, instance, place, cursor.position, report).run()


@dataclass
class _Scan:
    known: Settings
    instance: SourceInstance
    place: DropPlace
    position: str | None
    report: PollReport

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + RUN_SECONDS
        self._again = 0

    def run(self) -> bool:
        is_done = all(self._end(name) for name in self._whole_files())
        self._note_state()
        if is_done:
            self.report.end = "every file that is whole was read"
        return is_done

    def _whole_files(self) -> Iterator[str]:
        """Names in `working/`: what a run before left there, then what has become whole since. Each is moved there only
        when its turn has come."""
        left = self.place.list_files(WORKING).entries
        if not left:
            with transaction() as connection:
                dropped_files.settle_moved(connection, self.instance.brand, self.instance.slug)
        yield from (entry.name for entry in left)
        listing = self.place.list_files()
        if listing.skipped:
            self.report.note(f"{listing.skipped} entries are links, devices or folders, which are never read")
        if listing.is_cut:
            self.report.note(
                f"more than {MOST_ENTRIES:,} files lie in the folder: the others are read as these are put away"
            )
        intake, options = self._declared, self.known.source(self.instance.slug).options
        look = look_for_ripe(
            self.place,
            listing.entries,
            read_position(self.position).get("seen", {}),
            ready=options.get("ready", intake.ready),
            settle_seconds=float(options.get("settle_seconds", intake.settle_seconds)),
            now=time.time(),
        )
        self._keep({"seen": look.seen, "waiting": look.waiting})
        for entry in look.ripe:
            if time.monotonic() > self._deadline:
                self.report.note("more files are whole than one run has time for: the next one goes on at once")
                yield ""
                return
            if why := self._refusal(entry, is_differing=entry.name in look.differing):
                self._put_away(entry.name, None, why, out_of="")
                continue
            taken = self.place.move(entry.name, into=WORKING)
            if taken is None:
                continue
            self._move_companions(entry.name, into=_today())
            yield taken

    def _move_companions(self, name: str, *, into: str) -> None:
        """What lay beside a file that has left the folder."""
        for companion in (name + ending for ending in COMPANIONS):
            if self.place.look(companion, "") is not None:
                self.place.move(companion, into=into)

    def _refusal(self, entry: Entry, *, is_differing: bool) -> _Rejected | None:
        if is_differing:
            return _Rejected(
                "checksum_differs",
                "Its SHA-256 is not the one that the .sha256 file beside it says: it was not transferred whole, or"
                " changed since. Put both into the folder again.",
            )
        most = self._declared.max_file_bytes
        if entry.size > most:
            return _Rejected(
                "too_large", f"It has {entry.size} bytes; up to {most} are read. Split it, each part with its header."
            )
        return None

    def _end(self, name: str) -> bool:
        """Read one file of `working/` and put it away. False if the time is up, or the file is not at its end."""
        if not name or time.monotonic() > self._deadline:
            return False
        file = None
        try:
            content_id = self._content_id(name)
            file = self._begin(content_id)
            if file.state == "archived":
                self._tell_again(file)
            elif file.state != "read" and not self._read(name, file):
                return False
        except _StillWrittenError:
            self.report.note(
                "a file was written to while it was read, and is read once more: let it be renamed at its end"
            )
            return True
        except _Rejected as why:
            self._put_away(name, file, why)
            return True
        self.place.move(name, into=_today(), out_of=WORKING)
        if file.state != "archived":
            self._set(file, "archived")
        return True

    def _read(self, name: str, file: DroppedFile) -> bool:
        """Store the file's further rows. False if the time was up before its end."""
        before = self.place.look(name)
        try:
            done = self._import(name, file)
        except UnreadableFileError as error:
            raise _Rejected("unreadable", f"It cannot be read: {error}.") from None
        self._count(done)
        if before is None or self.place.look(name) != before:
            raise _StillWrittenError
        if done.is_whole:
            self._set(file, "read")
            _log.info("dropped_file_read", source=self.instance.slug, file=str(file.file_id), rows=done.rows)
        return done.is_whole

    def _import(self, name: str, file: DroppedFile) -> ImportReport:
        entry = self.known.source(self.instance.slug)
        options = entry.options
        sheet = options.get("sheet")

        def note(connection: Connection, rows: RowCounts) -> None:
            dropped_files.note_rows(connection, file, rows)
            self._hold(connection)

        return import_file(
            self.place.path_of(name),
            source=self.instance.slug,
            brand=self.instance.brand,
            read_as=ReadAs(
                encoding=options.get("encoding"),
                dates=options.get("dates"),
                lane=entry.lane,
                sheet=None if sheet is None else str(sheet),
            ),
            piece=Piece(file.rows_done, lambda: time.monotonic() > self._deadline, note),
        )

    def _begin(self, content_id: UUID) -> DroppedFile:
        with transaction() as connection:
            file = dropped_files.begin_file(
                connection,
                self.instance.brand,
                self.instance.slug,
                content_id,
                read_as=f"{package_version()} {load_source_mapping(self.instance.connector.source).version}",
            )
            self._hold(connection)
        if file.attempts > _MOST_ATTEMPTS and file.state == "reading":
            raise _Rejected(
                "gave_up",
                f"Reading it was begun {_MOST_ATTEMPTS} times and ended each time before a row was stored, by a fault"
                " of the program or for want of memory. Save it in another format (CSV, UTF-8) and put it into the"
                " folder again; logs/poll.log says where the fault is.",
            )
        return file

    def _content_id(self, name: str) -> UUID:
        try:
            with self.place.open_file(name) as descriptor:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise _Rejected("no_file", "It is no ordinary file.")
                return blind_index().content_id(b"dropped file\x00" + digest_of(descriptor))
        except UnreadableEntryError:
            raise _Rejected(
                "not_readable",
                "The account that runs Afluente may not read it: give its group the right to read (umask of the"
                " sender's login), and put it into the folder again.",
            ) from None

    def _put_away(self, name: str, file: DroppedFile | None, why: _Rejected, *, out_of: str = WORKING) -> None:
        """Into `rejected/`, with the reason beside it."""
        there = self.place.move(name, into=REJECTED, out_of=out_of)
        if there is None:
            return
        self.place.write_reason(there, why.text)
        if not out_of:
            self._move_companions(name, into=REJECTED)
        if file is not None:
            self._set(file, "rejected")
        self.report.note("files were rejected: why stands in the .reason.txt beside each")
        file_id = str(file.file_id) if file else None
        _log.warning("dropped_file_rejected", source=self.instance.slug, file=file_id, reason=why.code)

    def _tell_again(self, file: DroppedFile) -> None:
        self._again += 1
        self.report.repeated += file.accepted + file.repeated
        self.report.pages += 1
        _log.info("dropped_file_repeated", source=self.instance.slug, file=str(file.file_id))

    def _count(self, done: ImportReport) -> None:
        report = self.report
        report.pages += 1
        report.accepted += done.accepted
        report.repeated += done.repeated
        report.revised += done.revised
        report.rejected += done.rejected

    def _set(self, file: DroppedFile, state: str) -> None:
        with transaction() as connection:
            dropped_files.end_file(connection, file, state)

    def _note_state(self) -> None:
        if self._again:
            files = "1 file had" if self._again == 1 else f"{self._again} files had"
            self.report.note(f"{files} come before, byte for byte: nothing of it was imported again")
        lying = self.place.list_files(REJECTED).entries
        self._keep({"rejected": sum(not entry.name.endswith((REASON, *COMPANIONS)) for entry in lying)})

    def _keep(self, more: dict[str, object]) -> None:
        """The position with something more in it."""
        kept = {**read_position(self.position), **more}
        self.position = orjson.dumps({name: value for name, value in kept.items() if value}).decode()
        with transaction() as connection:
            self._hold(connection)

    def _hold(self, connection: Connection) -> None:
        """Nobody else reads the folder meanwhile."""
        cursors.move_cursor(
            connection,
            self.instance.brand,
            self.instance.slug,
            STREAM,
            position=self.position,
            hold_seconds=HOLD_SECONDS,
        )

    @property
    def _declared(self) -> DropFolder:
        intake = self.instance.connector.intake
        assert isinstance(intake, DropFolder)  # noqa: S101 - the table of kinds chose this reader
        return intake


def _today() -> str:
    return f"{ARCHIVE}/{datetime.now(UTC):%Y-%m-%d}"
