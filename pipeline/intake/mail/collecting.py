"""Reads a mailbox from its position on. A mail and the position behind it are stored in one transaction.

The position is (UIDVALIDITY, last UID). A mailbox whose UIDVALIDITY changed is read from its beginning, and what came
before is recognized. Mails are moved only after they are stored: a kill in between leaves them where they were, and the
next run moves them.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection

from connectors.kit import Mailbox
from connectors.kit.sources.collected.kinds import read_position
from pipeline.access.sources import credentials_of
from pipeline.hints import hint_dispatch
from pipeline.intake.contents import store_events
from pipeline.intake.instances import SourceInstance
from pipeline.intake.mail.arrivals import VIA, Proofs, mail_event
from pipeline.intake.mail.imap import Imap, LoginRefusedError
from pipeline.intake.poll_reports import HOLD_SECONDS, RUN_SECONDS, PollReport
from pipeline.records import Parked, Receipt, Stage
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import STREAM
from pipeline.store.engine import transaction
from pipeline.store.events import cursors
from pipeline.store.events.quarantine import park_now

_KEPT_OF_TOO_LARGE = 65_536
_MOVED_AT_ONCE = 100
_HINT_SECONDS = 1.0
_MAX_REMEMBERED = 1_000  # UIDs that are still to be moved
_NEW_VALIDITY = "the mailbox was made anew (UIDVALIDITY): it was read from its beginning"


def read_mailbox(
    known: Settings, instance: SourceInstance, cursor: cursors.StoredCursor, report: PollReport, begin_at: str | None
) -> bool:
    """Store mail after mail. True if there is nothing more now, False if the time for one run is up.

    Raises ConfigurationError, TransientError and TerminalError.
    """
    intake, entry = instance.connector.intake, known.source(instance.slug)
    assert isinstance(intake, Mailbox)  # noqa: S101 - the table of kinds chose this reader
    read_from = hashlib.sha256(intake.place(entry).encode()).hexdigest()[:16]
    position = begin_at or cursor.position
    if begin_at is None and position is not None and cursor.read_from not in (None, read_from):
        position = None
        report.note("the address was changed: the mailbox was read from its beginning")
    run = _Run(known, instance, intake, report, position, read_from)
    with _opened(known, instance, intake) as mailbox:
        return run.read(mailbox)


def _opened(known: Settings, instance: SourceInstance, intake: Mailbox) -> Imap:
    """The mailbox by the first password or token that the server takes: two may be set while one is replaced, and a
    token that is refused is renewed. To be used as a context."""
    entry, refused = known.source(instance.slug), None
    how = str(entry.options.get("auth", "password"))
    for credential in credentials_of(known, instance.slug, instance.brand, instance.connector):
        mailbox = Imap(intake.address(entry), str(entry.options["user"]), credential, auth=how)
        try:
            return mailbox.opened()
        except LoginRefusedError as error:
            refused = error
    raise refused or LoginRefusedError("the mail server does not let us in")


@dataclass
class _Run:
    known: Settings
    instance: SourceInstance
    intake: Mailbox
    report: PollReport
    position: str | None
    read_from: str  # digest of the mailbox that the position belongs to
    unmoved: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._is_hint_due, self._hinted_at = False, time.monotonic()
        self._is_moving = True

    def read(self, mailbox: Imap) -> bool:
        try:
            return self._read(mailbox)
        finally:
            self._hint()

    def _read(self, mailbox: Imap) -> bool:
        before = read_position(self.position)
        uid = int(before.get("uid", 0))
        self.unmoved = [int(number) for number in before.get("unmoved_uids", [])]
        if before.get("validity") not in (None, mailbox.uid_validity):
            self.report.note(_NEW_VALIDITY)
            uid, self.unmoved = 0, []
        proofs = Proofs(self.known, self.instance)
        deadline = time.monotonic() + RUN_SECONDS
        self._move(mailbox, uid)
        for following in mailbox.uids_after(uid):
            if time.monotonic() > deadline:
                self._move(mailbox, uid)
                return False
            self._store(mailbox, following, proofs)
            uid = following
            if len(self.unmoved) >= _MOVED_AT_ONCE:
                self._move(mailbox, uid)
        self._move(mailbox, uid)
        self.report.end = "every mail was read"
        return True

    def _store(self, mailbox: Imap, uid: int, proofs: Proofs) -> None:
        size = mailbox.size_of(uid)
        is_too_large = size is not None and size > self.intake.max_message_bytes
        body = mailbox.fetch(uid, most=_KEPT_OF_TOO_LARGE if is_too_large else None)
        origin = {"via": VIA, "uid": uid, "uid_validity": mailbox.uid_validity}
        events = [mail_event(self.instance, body, origin, proofs.of)] if body else []
        if self._move_to is not None and body and not is_too_large:
            self.unmoved = [*self.unmoved, uid][-_MAX_REMEMBERED:]
        with transaction() as connection:
            receipts = store_events(connection, events)
            fresh = [receipt for receipt in receipts if not receipt.repeated]
            if is_too_large:
                park_now(connection, [self._too_large(receipt, size) for receipt in fresh])
            self._note_position(connection, mailbox, uid)
        report = self.report
        report.pages += 1
        report.accepted += len(fresh)
        report.repeated += len(receipts) - len(fresh)
        report.revised += sum(receipt.revised for receipt in fresh)
        report.rejected += len(fresh) if is_too_large else 0
        self._is_hint_due |= bool(fresh)
        if time.monotonic() - self._hinted_at > _HINT_SECONDS:
            self._hint()

    def _hint(self) -> None:
        """Tell workers of what was stored: a hint for each mail would cost more than the mail."""
        if self._is_hint_due:
            hint_dispatch(self.instance.lane)
        self._is_hint_due, self._hinted_at = False, time.monotonic()

    def _too_large(self, receipt: Receipt, size: int | None) -> Parked:
        return Parked(
            receipt.event_id,
            Stage.INTAKE,
            "mail_too_large",
            f"the mail has {size} bytes, and up to {self.intake.max_message_bytes} are taken: its beginning is kept,"
            " the whole stays in the mailbox",
        )

    def _move(self, mailbox: Imap, uid: int) -> None:
        """Put stored mails away; those that cannot be stay noted for the next run, which tries again."""
        if self._move_to is None or not self.unmoved or not self._is_moving:
            return
        if mailbox.move(self.unmoved, self._move_to):
            self.unmoved = []
            with transaction() as connection:
                self._note_position(connection, mailbox, uid)
        else:
            self._is_moving = False
            self.report.note("mails are stored and could not be moved: is there a folder options.move_to?")

    def _note_position(self, connection: Connection, mailbox: Imap, uid: int) -> None:
        position: dict[str, object] = {"validity": mailbox.uid_validity, "uid": uid}
        if self.unmoved:
            position["unmoved_uids"] = self.unmoved
        cursors.move_cursor(
            connection,
            self.instance.brand,
            self.instance.slug,
            STREAM,
            position=orjson.dumps(position).decode(),
            hold_seconds=HOLD_SECONDS,
            read_from=self.read_from,
        )

    @property
    def _move_to(self) -> str | None:
        folder = self.known.source(self.instance.slug).options.get("move_to")
        return str(folder) if folder else None
