"""How far an erasure is, as its request keeps it: counts by table, outcomes by system, places in what is scanned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pipeline.privacy.erasing.destruction import Destroyed
from pipeline.store.erasures.crm import WantedAbsence

# What became of a record in a CRM, by the code that its delivery ended with.
DONE, NOT_SUPPORTED, UNVERIFIED, PENDING, BY_HAND = "done", "not_supported", "unverified", "pending", "done_by_hand"
FILES = "files "  # begins the system of a drop folder, before its source
_KEPT = "kept"  # the code of a CRM that deletes nothing for us


class SystemOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """Records of one system that came to the same. `codes`: how often each code was answered; `at`: the last time."""

    system: str
    state: str
    records: int
    codes: dict[str, int] = {}
    at: datetime | None = None


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """`rows`: what was deleted or emptied, by table. `systems`: what is over; `pending`: what is not. `by_hand`:
    records that a human has to remove, (system, the CRM's id, or which file). `files`: by source how far its folder is
    looked through. `scanned`, `scanned_activities`: by brand the last event
    looked at, and the last activity. `ledger`: hashes of its entries. `held`, `shared`: people kept by a hold,
    addresses that others have too."""

    rows: dict[str, int] = {}
    people: int = 0
    systems: list[SystemOutcome] = []
    pending: list[SystemOutcome] = []
    by_hand: list[tuple[str, str]] = []
    scanned: dict[str, UUID] = {}
    scanned_activities: dict[str, UUID] = {}
    ledger: list[str] = []
    held: int = 0
    shared: int = 0
    told: list[str] = []
    files: dict[str, tuple[int, int]] = {}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Progress:
        return msgspec.convert(dict(stored), cls)

    def stored(self) -> dict[str, Any]:
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return kept

    def destroyed(
        self, destroyed: Destroyed, *, held: int, shared: int, ledger: Sequence[str], told: Sequence[str]
    ) -> Progress:
        """After rows were deleted, once more maybe."""
        return msgspec.structs.replace(
            self,
            rows=_sum(self.rows, destroyed.rows),
            people=self.people + len(destroyed.people),
            held=max(self.held, held),
            shared=max(self.shared, shared),
            ledger=[*self.ledger, *ledger],
            told=sorted({*self.told, *told}),
        )

    def scanned_to(self, kind: str, brand: str, event_id: UUID) -> Progress:
        """`kind`: `scanned` or `scanned_activities`. It only goes on, wherever others are who look with it."""
        known: dict[str, UUID] = getattr(self, kind)
        return msgspec.structs.replace(self, **{kind: {**known, brand: max(event_id, known.get(brand, event_id))}})

    def taken(self, events: int, *, told: Sequence[str]) -> Progress:
        """After so many events more went."""
        return msgspec.structs.replace(self, rows=_sum(self.rows, {"events": events}), told=sorted({*self.told, *told}))

    def to_scan_anew(self) -> Progress:
        """After more addresses became known: what was looked at may have them."""
        return msgspec.structs.replace(self, scanned={}, scanned_activities={}, files={})

    def cleaned(
        self, source: str, place: tuple[int, int], *, taken: int, by_hand: Collection[str], is_away: bool
    ) -> Progress:
        """After files of a source's folder were looked through up to a place, and so many records taken out of them.
        `by_hand`: files that a human has to clean. `is_away`: the folder could not be looked through."""
        system, now = f"{FILES}{source}", datetime.now(UTC)
        systems = {(known.system, known.state): known for known in self.systems}
        new = [(system, name) for name in by_hand if (system, name) not in self.by_hand]
        before = systems.pop((system, UNVERIFIED), None)
        counts = {UNVERIFIED: 0} if is_away else {DONE: taken, **({NOT_SUPPORTED: len(new)} if new else {})}
        for state, count in counts.items():
            known = systems.get((system, state)) or SystemOutcome(system, state, 0)
            is_news = count or known.at is None
            systems[system, state] = msgspec.structs.replace(
                known, records=known.records + count, at=now if is_news else known.at
            )
        if is_away and before is not None:
            systems[system, UNVERIFIED] = before
        return msgspec.structs.replace(
            self,
            systems=list(systems.values()),
            by_hand=[*self.by_hand, *new],
            files={**self.files, source: max(place, self.files.get(source, place))},
        )

    def collected(self, ended: Collection[WantedAbsence], left: Collection[WantedAbsence]) -> Progress:
        """What CRMs answered. `left`: what is still to be answered, which replaces what was pending before."""
        systems = {(known.system, known.state): known for known in self.systems}
        by_hand = list(self.by_hand)
        for absence in ended:
            state = NOT_SUPPORTED if absence.code == _KEPT else DONE
            _add(systems, absence, state)
            if state == NOT_SUPPORTED:
                by_hand.append((absence.destination, absence.crm_id or ""))
        pending: dict[tuple[str, str], SystemOutcome] = {}
        for absence in left:
            _add(pending, absence, UNVERIFIED if absence.state == "quarantined" else PENDING)
        return msgspec.structs.replace(
            self, systems=list(systems.values()), pending=list(pending.values()), by_hand=by_hand
        )

    def confirmed(self) -> Progress:
        """After a human removed what was left."""
        now = datetime.now(UTC)
        systems = [
            msgspec.structs.replace(known, state=BY_HAND, at=now) if known.state == NOT_SUPPORTED else known
            for known in self.systems
        ]
        return msgspec.structs.replace(self, systems=systems, by_hand=[])


def _add(found: dict[tuple[str, str], SystemOutcome], absence: WantedAbsence, state: str) -> None:
    key = (absence.destination, state)
    known = found.get(key) or SystemOutcome(absence.destination, state, 0)
    code = absence.code or "none"
    moments = [moment for moment in (known.at, absence.at) if moment is not None]
    found[key] = msgspec.structs.replace(
        known,
        records=known.records + 1,
        codes={**known.codes, code: known.codes.get(code, 0) + 1},
        at=max(moments, default=None),
    )


def _sum(known: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {table: known.get(table, 0) + more.get(table, 0) for table in sorted({*known, *more})}
