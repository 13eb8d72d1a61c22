"""What a replay of settled leads found: counts and names of fields, ids of what would stop, never a value of a lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from pipeline.records import Touch

STOPPED_SHOWN = 1_000  # of those that would stop: further ones are counted only


@dataclass(frozen=True)
class WouldStop:
    """A settled lead that the mapping of now would quarantine or suppress: it keeps what it was."""

    event_id: UUID
    what: str  # quarantined or suppressed
    code: str
    field: str | None = None


@dataclass(frozen=True, order=True)
class Origin:
    """Where a touch says that a lead came from."""

    source: str
    medium: str
    channel: str

    @classmethod
    def of(cls, touch: Touch | None) -> Origin:
        return cls("", "", "") if touch is None else cls(touch.source, touch.medium or "", touch.channel)


class PerPerson:
    """Names that were counted of a person once, whatever number of batches the person's leads stand in.

    Needs some 200 bytes for each person who has any.
    """

    def __init__(self) -> None:
        self._bits: dict[str, int] = {}
        self._seen: dict[UUID, int] = {}

    def __len__(self) -> int:
        """How many people have any."""
        return len(self._seen)

    def add(self, person_id: UUID, names: Iterable[str]) -> list[str]:
        """Those that are news of this person."""
        seen, news = self._seen.get(person_id, 0), []
        for name in names:
            bit = 1 << self._bits.setdefault(name, len(self._bits))
            if not seen & bit:
                seen |= bit
                news.append(name)
        if seen:
            self._seen[person_id] = seen
        return news


@dataclass
class CrmChanges:
    """Of one destination: how many people it would be sent another record of, and of how many each field.

    `once` are people whose fields written once become others: those are sent again, over what a human changed there.
    """

    people: int = 0
    once: int = 0
    fields: Counter[str] = field(default_factory=Counter)


@dataclass
class Replayed:
    """`read`: settled leads looked at; `mapped_anew`: of these, those that another mapping had read; `changed`: those
    that become other leads; `who`: those that say something else of who they are.

    `people` have other values or another source; `joined` become others, `parted` stand for themselves. `fields` counts
    people by golden field, `touches` touches by where they came from before and now. `unreadable`: leads whose stored
    body is gone.
    """

    read: int = 0
    mapped_anew: int = 0
    changed: int = 0
    who: int = 0
    unreadable: int = 0
    people: int = 0
    joined: int = 0
    parted: int = 0
    consents: int = 0
    deliveries: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    touches: Counter[tuple[Origin, Origin]] = field(default_factory=Counter)
    destinations: dict[str, CrmChanges] = field(default_factory=dict)
    stopped: Counter[tuple[str, str]] = field(default_factory=Counter)
    stopped_leads: list[WouldStop] = field(default_factory=list)

    def stop(self, leads: Iterable[WouldStop]) -> None:
        """Note leads that would stop."""
        for lead in leads:
            self.stopped[lead.what, lead.code] += 1
            if len(self.stopped_leads) < STOPPED_SHOWN:
                self.stopped_leads.append(lead)
