"""One batch of settled leads made what their mapping says now, in one transaction. Read `Rewriting.write`.

What stood before is read by a connection of its own once all people are held: nobody else can change them meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import FiledLeads
from pipeline.identity.people_updates import Resolved
from pipeline.identity.resolution import resolve
from pipeline.identity.revisions import Revisions, Superseded, require_current
from pipeline.lanes import BULK
from pipeline.privacy.people_to_send import read_named_people
from pipeline.recompute.consent_rewriting import rewrite_answers
from pipeline.recompute.crm_changes import Difference, difference
from pipeline.recompute.golden_records import make_anew
from pipeline.recompute.lead_facts import Standing, facts_of, is_anew, mates_of, read_standing
from pipeline.recompute.replay_report import CrmChanges, Origin, PerPerson, Replayed, WouldStop
from pipeline.records import Batch, Lead, Person, Profile, Touch
from pipeline.replay import recompute_leads
from pipeline.settings.loading import settings
from pipeline.stages.attribution.touches import touches_of
from pipeline.stages.destination_mapping.mapping import DestinationMapping
from pipeline.stages.destination_mapping.names import all_named
from pipeline.stages.survivorship.survivorship import taken_back, with_kept
from pipeline.store.deliveries.deliveries import PersonToSend, want_deliveries
from pipeline.store.events import drift, settled
from pipeline.store.events.settled import SettledEvent
from pipeline.store.identity import people_moves
from pipeline.store.people import people, rewritten
from pipeline.store.people.consents import consents_of

_DECIDED_BY = "replay"
_MANY_EVENTS = 20  # of a person: whoever has more is remembered, so that nobody is read again with each batch


class Run:
    """What a run knows across its batches. `done`: what it found so far."""

    def __init__(self, mappings: Mapping[str, DestinationMapping]) -> None:
        self.mappings = mappings
        self.named = all_named(mapping.named for mapping in mappings.values())
        self.done = Replayed(destinations={name: CrmChanges() for name in mappings})
        self.renewed: set[UUID] = set()
        self._people = PerPerson()
        self._at = {name: PerPerson() for name in mappings}
        self._once: dict[str, set[UUID]] = {name: set() for name in mappings}

    def add(self, batch: Rewriting) -> None:
        """A batch that is written, or was tried in a dry run."""
        done = self.done
        done.read += len(batch.page)
        done.unreadable += batch.unreadable
        done.mapped_anew += batch.mapped_anew
        done.stop(batch.stopped)
        done.who += batch.who
        done.changed += len(batch.changed)
        done.joined += batch.joined
        done.parted += batch.parted
        done.consents += batch.consents
        done.deliveries += batch.deliveries
        done.touches += batch.touches
        self.renewed |= batch.renewed
        for person_id, names in batch.fields.items():
            done.fields.update(self._people.add(person_id, names))
        done.people = len(self._people)
        for (name, person_id), change in batch.differences.items():
            done.destinations[name].fields.update(self._at[name].add(person_id, sorted(change.fields)))
            done.destinations[name].people = len(self._at[name])
            if change.once:
                self._once[name].add(person_id)
            done.destinations[name].once = len(self._once[name])


class Rewriting:
    """A batch of settled leads, and what was found when it was written."""

    def __init__(
        self, run: Run, page: Sequence[SettledEvent], stopped: Sequence[WouldStop], *, unreadable: int,
        cache: EvidenceCache,
    ) -> None:  # fmt: skip
        self.page, self.stopped, self.unreadable = page, stopped, unreadable
        self.mapped_anew = self.who = self.joined = self.parted = self.consents = self.deliveries = 0
        self.changed: set[UUID] = set()
        self.touches: Counter[tuple[Origin, Origin]] = Counter()
        self.fields: dict[UUID, list[str]] = {}
        self.differences: dict[tuple[str, UUID], Difference] = {}
        self.renewed: set[UUID] = set()
        self._run, self._cache = run, cache

    def write(self, connection: Connection, filed: FiledLeads, batch: Batch) -> None:
        """Write all that follows from these leads. Their evidence is stored. Raises TransientError if others changed
        something meanwhile, Superseded if a revision took the place of a lead: read the leads again."""
        turn = Revisions(connection, filed, batch)
        if batch.superseded:
            raise Superseded([lead.event_id for lead in batch.superseded])
        resolved = resolve(connection, turn.filed, recompute_leads, decided_by=_DECIDED_BY, cache=self._cache)
        turn.write()
        leads = [lead for group in turn.filed.leads.values() for lead in group]
        for evidence_id, group in turn.filed.leads.items():
            for lead in group:
                lead.person_id = resolved.owners[evidence_id]
        require_current(connection, [lead.event_id for lead in leads])
        self.who, self.changed = len(filed.corrected), set(filed.corrected)
        self.joined, self.parted = len(resolved.joined), len(resolved.parted)
        mates = mates_of(connection, leads)
        standing = read_standing([*leads, *mates], resolved, self._run.named)
        touched = self._rewrite_touches(connection, leads, mates)
        touched |= self._rewrite_consents(connection, leads)
        self._note_events(connection, leads, mates, standing)
        self._rewrite_people(connection, leads, touched, standing, moved=filed.corrected)
        self._want(connection, standing, resolved)
        drift.count_drift(connection, [lead for lead in leads if is_anew(lead, standing)])

    def _rewrite_touches(self, connection: Connection, leads: Sequence[Lead], mates: Sequence[Lead]) -> set[UUID]:
        """Gives the people whose touches became others. An event without a touch has none: its record has another."""
        stored = rewritten.read_touches_of(connection, [lead.event_id for lead in (*leads, *mates)])
        made: dict[UUID, list[Touch]] = {}
        touched: set[UUID] = set()
        for lead in (*leads, *mates):
            own, *earlier = touches_of(lead)
            lead.channel = own.channel
            before, now = stored.get(lead.event_id), [own, *earlier]
            if before is None or before == now:
                continue
            made[lead.event_id] = now
            if [facts_of(touch) for touch in before] == [facts_of(touch) for touch in now]:
                continue  # the rules of channels have another version and say the same
            self.changed.add(lead.event_id)
            touched.add(own.person_id)
            self._note_origins(before, now)
        rewritten.rewrite_touches(connection, made)
        people_moves.rebuild_touches(connection, touched)
        return touched

    def _note_origins(self, before: Sequence[Touch], now: Sequence[Touch]) -> None:
        was, is_now = ({touch.position: touch for touch in touches} for touches in (before, now))
        for position in was.keys() | is_now.keys():
            one, other = was.get(position), is_now.get(position)
            if one is None or other is None or facts_of(one) != facts_of(other):
                self.touches[Origin.of(one), Origin.of(other)] += 1

    def _rewrite_consents(self, connection: Connection, leads: Sequence[Lead]) -> set[UUID]:
        """What leads say of consent now takes the place of what they said. Gives the people whose answers became
        others."""
        stored = rewritten.read_consents_of(connection, [lead.event_id for lead in leads])
        news, gone, turned = rewrite_answers(stored, [row for lead in leads for row in consents_of(lead)])
        # An answer that is another one now is written anew: other systems are told of what comes in.
        rewritten.rewrite_consents(connection, news, gone | turned)
        self.consents = len(news) + len(gone)
        self.changed |= {row.event_id for row in news | gone}
        return {row.person_id for row in news | gone}

    def _note_events(
        self, connection: Connection, leads: Sequence[Lead], mates: Sequence[Lead], standing: Standing
    ) -> None:
        made: dict[UUID, SettledEvent] = {}
        for lead in (*leads, *mates):
            was = standing.events.get(lead.event_id)
            now = SettledEvent(lead.event_id, lead.mapping_version, lead.channel, lead.occurred_at)
            if was is None or was[:4] == now[:4]:
                continue
            made[lead.event_id] = now
            if (was.channel, was.occurred_at) != (now.channel, now.occurred_at):
                self.changed.add(lead.event_id)
        settled.note_mapped_anew(connection, made)
        self.mapped_anew = sum(is_anew(lead, standing) for lead in leads)

    def _rewrite_people(
        self,
        connection: Connection,
        leads: Sequence[Lead],
        touched: Collection[UUID],
        standing: Standing,
        *,
        moved: Collection[UUID],
    ) -> None:
        """Golden records made anew of all that people's leads say, and a new version of whoever has other values or
        another source than before."""
        owners = {lead.person_id for lead in leads if lead.person_id is not None}
        again = owners - self._run.renewed
        if moved:  # also those who lost a lead
            again |= {lead.person_id for lead in leads if lead.event_id in moved and lead.person_id is not None}
            again |= standing.people.keys()
        rows = people.read_people(connection, again | owners | set(touched), lock=True)
        made = self._made_anew(connection, again, rows, standing, is_moving=bool(moved))
        now = read_named_people(connection, sorted(touched), self._run.named) if touched else {}
        written = []
        for person_id, row in rows.items():
            profile = made.get(person_id, row.profile)
            has_others = profile.values() != row.profile.values()
            sent = standing.sent.get(person_id)
            came_otherwise = sent is not None and person_id in now and sent.attribution != now[person_id].attribution
            version = row.version + (has_others or came_otherwise)
            profile.emptied = taken_back(row.profile, profile, version) if has_others else row.profile.emptied
            is_same = (profile.fields, profile.votes) == (row.profile.fields, row.profile.votes)
            if not is_same or version != row.version:
                written.append(msgspec.structs.replace(row, version=version, profile=profile))
        people.write_people(connection, written)

    def _made_anew(
        self,
        connection: Connection,
        person_ids: Collection[UUID],
        rows: Mapping[UUID, Person],
        standing: Standing,
        *,
        is_moving: bool,
    ) -> dict[UUID, Profile]:
        """Of those who have leads. Values of leads that would stop today stay, whoever these were of; people all of
        whose leads would stop keep what they have."""
        made = make_anew(connection, [person_id for person_id in person_ids if person_id in rows])
        profiles = {person_id: profile for person_id, profile in made.profiles.items() if made.events[person_id]}
        for owner, event_ids in made.unread.items():
            if made.events[owner] == len(event_ids):
                profiles[owner] = standing.people.get(owner, rows[owner]).profile
                continue
            for before in [*standing.people.values()] if is_moving else [rows[owner]]:
                profiles[owner] = with_kept(profiles[owner], before.profile, event_ids, strictly=is_moving)
        self.renewed = {person_id for person_id, count in made.events.items() if count > _MANY_EVENTS}
        return profiles

    def _want(self, connection: Connection, standing: Standing, resolved: Resolved) -> None:
        """The deliveries of whoever a destination would be sent another record of, or who came together or apart."""
        involved = {*standing.people, *resolved.changed, *resolved.owners.values()}
        now, rows = (
            read_named_people(connection, sorted(involved), self._run.named),
            people.read_people(connection, involved, lock=False),
        )
        wanted = {
            (name, person_id)
            for person_id, brand in resolved.changed.items()
            for name in settings().destinations_for(brand)
        }
        for person_id, person in now.items():
            before = standing.sent.get(person_id)
            if person.merged_into is not None or before == person:
                continue
            self._note_fields(person_id, before, person)
            self._note_leads(standing.people.get(person_id), rows[person_id])
            for name in settings().destinations_for(rows[person_id].brand):
                found = difference(self._run.mappings[name], person_id, before, person)
                if found.fields:
                    self.differences[name, person_id] = found
                    wanted.add((name, person_id))
        made_due = want_deliveries(connection, [(name, person_id, BULK) for name, person_id in sorted(wanted)])
        self.deliveries = sum(made_due.values())

    def _note_fields(self, person_id: UUID, before: PersonToSend | None, now: PersonToSend) -> None:
        was = {**before.values, **before.attribution} if before is not None else {}
        is_now = {**now.values, **now.attribution}
        names = sorted(name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name))
        if names:
            self.fields[person_id] = names

    def _note_leads(self, before: Person | None, now: Person) -> None:
        """Which leads of the batch brought what became another value, or bring it now."""
        ours = {event.event_id for event in self.page}
        was = before.profile.fields if before is not None else {}
        for name in was.keys() | now.profile.fields.keys():
            one, other = was.get(name), now.profile.fields.get(name)
            if one is None or other is None or one.value != other.value:
                self.changed |= {value.event_id for value in (one, other) if value is not None} & ours
