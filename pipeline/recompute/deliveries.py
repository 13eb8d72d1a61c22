"""Deliveries by the settings and mappings of now: who came before a destination was one, or was sent by an older
mapping, is wanted there. Safe beside running workers; what is done stays done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import AfluenteError, RecordError
from pipeline.identity.companies import companies_said
from pipeline.lanes import BULK
from pipeline.privacy.consents_to_send import consents_to_send
from pipeline.privacy.people_to_send import read_named_people
from pipeline.routing import meant_pairs
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import COMPANY, CONSENT
from pipeline.stages.mapping.source_mapping import DestinationMapping, map_person
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries import backfill
from pipeline.store.deliveries.backfill import Candidate
from pipeline.store.deliveries.consents import (
    WantedConsents,
    count_consents_lacking,
    read_sent_consents,
    want_consents,
)
from pipeline.store.deliveries.deliveries import PersonToSend, read_people_to_send, want_deliveries
from pipeline.store.deliveries.objects import count_touches_lacking, read_linked, want_touches
from pipeline.store.engine import StoreError, transaction
from pipeline.store.events.quarantine import replay_events
from pipeline.store.keyring import blind_index
from pipeline.store.people.companies import link_people
from pipeline.store.people.people import count_people
from pipeline.targets import consents_in, targets_of, touch_targets

KEY_CHANGED = "key_changed"
_LACKING_SECONDS = 2.0  # nobody waits longer for it
_PEOPLE_AT_ONCE = 500
_COUNTED = 10_000  # people: `status` names no greater number


@dataclass
class Backfilled:
    """People looked at; of them those who had no delivery, those who were told by an older mapping that made something
    else of them, and those of whom it is not known what they were told (`unknown`, wanted only with `everyone`).
    `wanted` deliveries were made due, or would be."""

    people: int = 0
    lacking: int = 0
    remapped: int = 0
    unknown: int = 0
    wanted: int = 0


def backfill_destination(
    destination: str,
    brands: Sequence[str],
    *,
    since: datetime | None = None,
    everyone: bool = False,
    is_dry_run: bool = False,
    people_at_once: int = _PEOPLE_AT_ONCE,
    on_progress: Callable[[Backfilled, int], None] = lambda _done, _people: None,
) -> Backfilled:
    """Want what a destination of the settings lacks of the people of these brands, some people at a time.

    `since`: only whose latest touch is not older. `everyone`: also whom it has already, with the fields written once,
    for a CRM that was emptied or exchanged. Raises ConfigurationError if its mapping never was readable.
    """
    configured = settings().destinations[destination]
    mapping = destination_mapping_in_force(configured.mapping_name)
    with transaction(timeout_seconds=0) as connection:
        total = sum(count_people(connection, brand) for brand in brands)
    done, after = Backfilled(), UUID(int=0)
    while True:
        with transaction(timeout_seconds=0) as connection:
            page = backfill.next_candidates(
                connection, destination, brands, after=after, limit=people_at_once, since=since
            )
            if not page:
                return done
            _backfill(connection, destination, page, mapping, done, everyone=everyone, is_dry_run=is_dry_run)
        after = page[-1].person_id
        on_progress(done, total)


def _backfill(
    connection: Connection,
    destination: str,
    page: Sequence[Candidate],
    mapping: DestinationMapping,
    done: Backfilled,
    *,
    everyone: bool,
    is_dry_run: bool,
) -> None:
    lacking = [candidate.person_id for candidate in page if candidate.lacks]
    sent = [candidate for candidate in page if candidate.state == "sent"]
    unknown = [candidate.person_id for candidate in sent if candidate.mapping_version is None]
    older = [candidate for candidate in sent if candidate.mapping_version not in (None, mapping.version)]
    changed = _told_otherwise(connection, mapping, older) | _without_company(connection, destination, sent)
    again = [candidate.person_id for candidate in sent] if everyone else sorted(changed)
    touched = [
        (target, candidate.person_id, BULK)
        for target in touch_targets(destination)
        for candidate in page
        if candidate.lacks or candidate.state is not None
    ]
    consents = _ConsentsLeft(connection, destination, mapping, page, everyone=everyone)
    done.people += len(page)
    done.lacking += len(lacking)
    done.remapped += len(changed)
    done.unknown += len(unknown)
    if is_dry_run:
        done.wanted += len(lacking) + len(again) + count_touches_lacking(connection, touched) + consents.count()
        return
    want_deliveries(connection, [(destination, person_id, BULK) for person_id in lacking])
    done.wanted += len(lacking) + backfill.want_again(connection, destination, again, whole=everyone)
    done.wanted += sum(want_touches(connection, touched).values()) + consents.want()
    same = {candidate.person_id: candidate.mapping_version for candidate in older if candidate.person_id not in changed}
    backfill.confirm_mapping(
        connection, destination, mapping.version, {person: version for person, version in same.items() if version}
    )


class _ConsentsLeft:
    """What a destination lacks of the consents of these people, where they are records of their own: those it was never
    told of, and those of which its mapping makes something else now. They go by the bulk lane, withdrawals too: nobody
    there goes by an answer that it never had."""

    def __init__(
        self,
        connection: Connection,
        destination: str,
        mapping: DestinationMapping,
        page: Sequence[Candidate],
        *,
        everyone: bool,
    ) -> None:
        self._connection, self._everyone = connection, everyone
        self._mapping = next((known for known in mapping.objects if known.subject == CONSENT), None)
        self._wanted: list[WantedConsents] = []
        self._again: list[UUID] = []
        self._same: dict[UUID, str] = {}
        target = consents_in(destination, mapping)
        if target is None or self._mapping is None:
            return
        self._target = target.name
        people = [candidate.person_id for candidate in page if candidate.lacks or candidate.state is not None]
        self._wanted = [
            WantedConsents(target.name, person_id, BULK, target.is_linked, hastens=False) for person_id in people
        ]
        self._look(self._mapping, people)

    def _look(self, mapping: DestinationMapping, people: Sequence[UUID]) -> None:
        sent = read_sent_consents(self._connection, self._target, people)
        older = [known for known in sent if known.mapping_version not in (None, mapping.version)]
        values = consents_to_send(self._connection, [known.record for known in older]) if older else {}
        changed = {
            known.record.consent_id
            for known in older
            if _content_id(mapping, known.record.consent_id, PersonToSend(values[known.record.consent_id].values, {}))
            != known.content_id
        }
        self._again = sorted(known.record.consent_id for known in sent) if self._everyone else sorted(changed)
        self._same = {
            known.record.consent_id: known.mapping_version
            for known in older
            if known.mapping_version and known.record.consent_id not in changed
        }

    def count(self) -> int:
        return count_consents_lacking(self._connection, self._wanted) + len(self._again)

    def want(self) -> int:
        """Gives how many deliveries are due by this."""
        if self._mapping is None:
            return 0
        wanted = sum(want_consents(self._connection, self._wanted).values())
        again = backfill.want_again(self._connection, self._target, self._again, whole=self._everyone)
        backfill.confirm_mapping(self._connection, self._target, self._mapping.version, self._same)
        return wanted + again


def _told_otherwise(connection: Connection, mapping: DestinationMapping, older: Sequence[Candidate]) -> set[UUID]:
    """Of these people, sent by another version of the mapping, those of whom it makes something else now."""
    people = read_named_people(connection, [candidate.person_id for candidate in older], mapping.named)
    return {
        candidate.person_id
        for candidate in older
        if (person := people.get(candidate.person_id)) is not None
        and _content_id(mapping, candidate.person_id, person) != candidate.content_id
    }


def _without_company(connection: Connection, destination: str, sent: Sequence[Candidate]) -> set[UUID]:
    """Of these people those whose company the destination was never told of, though its mapping names companies."""
    target = next((target for target in targets_of(destination) if target.subject == COMPANY), None)
    if target is None:
        return set()
    people = read_people_to_send(connection, [candidate.person_id for candidate in sent])
    companies = link_people(connection, companies_said(people)).companies
    told = read_linked(connection, target.name, {company_id: company_id for company_id in companies.values()})
    return {person_id for person_id, company_id in companies.items() if company_id not in told}


def _content_id(mapping: DestinationMapping, person_id: UUID, person: PersonToSend) -> UUID | None:
    """None: it cannot be mapped now, which the sender finds out and says."""
    try:
        mapped = map_person(mapping, person_id, person.values, person.attribution)
    except RecordError:
        return None
    return blind_index().content_id(mapped.content)


def accept_key(destination: str) -> int:
    """The records of a destination are known there by the key that is written to now: whoever waits because they were
    made under another one is sent. Gives how many."""
    with transaction() as connection:
        backfill.forget_key(connection, destination)
        return replay_events(connection, reason=KEY_CHANGED, destination=destination)


def lacking_now(begin: Callable[..., AbstractContextManager[Connection]] = transaction) -> list[str]:
    """Which destinations lack people who came before they were ones, as sentences that say what to do. Nothing if it
    takes long to know, or cannot be known. `begin` opens the transaction."""
    try:
        with begin(synchronous=False, timeout_seconds=_LACKING_SECONDS) as connection:
            lacking = backfill.count_people_lacking(connection, meant_pairs(), most=_COUNTED)
    except (AfluenteError, StoreError):
        return []
    return [
        f"{name}: {'at least ' if count >= _COUNTED else ''}{count} people came before it was a destination and are"
        f" not wanted there yet; `afluente destination backfill {name}` sends them"
        for name, count in sorted(lacking.items())
    ]
