"""Closes the gap between the version of a person a CRM should have and the one it has.

One round: acquire a permit to call from breaker and governor, claim a full batch, write it with no transaction open,
record an outcome for each record. Which failure costs an attempt and which only time: docs/decisions/0011-governor.md.
"""

from __future__ import annotations

import time
from uuid import UUID

import msgspec

from connectors.kit import Record, WriteResult
from pipeline.delivery.backoff import backoff_seconds
from pipeline.delivery.halving import Written, write_in_halves
from pipeline.delivery.permits import CallPermits, reason_of
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import ConfigurationError, QuotaError, RecordError, TerminalError, TransientError, place_of
from pipeline.lanes import HOT
from pipeline.logs import get_logger
from pipeline.privacy.people_to_send import read_named_people
from pipeline.records import Due, Outcome, Stage, new_id
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.mapping import MappedPerson
from pipeline.stages.mapping.source_mapping import map_merged, map_person
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import transaction
from pipeline.store.keyring import blind_index

_CALLS_OF_A_CLAIM = 3  # that may time out one after the other: a call and its halves
_PATIENCE_SECONDS = 1.0  # a longer wait is spent elsewhere: other destinations and chains want this process
_MARGIN_SECONDS = 10.0  # between the end of the last call and the end of the lease: to record what came of it
_CANNOT_MARK = "no call was made: the CRM or its mapping has no way to mark a merged person's record"
_log = get_logger(__name__)


class SendReport(msgspec.Struct, frozen=True):
    """What one `deliver` did. `more_due`: call again at once; else, if `wait_seconds` is not 0, after that, because of
    `waits_for`."""

    sent: int = 0
    retried: int = 0
    rejected: int = 0
    more_due: bool = False
    wait_seconds: float = 0.0
    waits_for: str | None = None


class _Claimed(msgspec.Struct, frozen=True):
    claim_id: UUID
    until: float  # when the last call must have ended, in monotonic seconds, which pass while a process is stopped too
    dues: list[Due]
    people: dict[UUID, deliveries.PersonToSend]


def deliver(destination: str, lane: str, *, budget_seconds: float) -> SendReport:
    """Send what is due to one destination in one lane until nothing is, or for about `budget_seconds`.

    Does not raise for what a CRM or Redis does: deliveries stay due and the report says when to come back. Raises
    TransientError if the database is away.
    """
    configured = settings().destinations.get(destination)
    if configured is None or not configured.enabled:
        return SendReport()
    return _Sender(destination, lane, ends_at=time.monotonic() + budget_seconds).run()


class _Sender:
    """One `deliver` at work."""

    def __init__(self, destination: str, lane: str, *, ends_at: float) -> None:
        self._destination = destination
        self._lane = lane
        self._ends_at = ends_at
        self._tuning = settings().tuning
        busy = _CALLS_OF_A_CLAIM * settings().destinations[destination].timeout_seconds + _MARGIN_SECONDS
        self._lease_seconds = max(self._tuning.delivery_lease_seconds, busy)
        self._linger_seconds = 0.0 if lane == HOT else self._tuning.delivery_linger_seconds
        self._permits = CallPermits(destination, is_hot=lane == HOT, probe_seconds=busy)
        self._counts = dict.fromkeys(("sent", "retry", "rejected"), 0)

    def run(self) -> SendReport:
        while True:
            writer, wait = self._permits.acquire()
            if writer is not None:
                claimed = self._claim(writer)
                if claimed is not None:
                    pause = self._send(writer, claimed)
                    if pause > 0 or time.monotonic() >= self._ends_at:
                        return self._report(more_due=pause == 0, wait_seconds=pause)
                    continue
                wait = self._linger_left()
            if wait == 0 or wait > _PATIENCE_SECONDS or time.monotonic() + wait >= self._ends_at:
                return self._report(more_due=False, wait_seconds=wait)
            time.sleep(wait)

    def _report(self, *, more_due: bool, wait_seconds: float) -> SendReport:
        counts = self._counts
        why = self._permits.waits_for if wait_seconds > 0 else None
        return SendReport(counts["sent"], counts["retry"], counts["rejected"], more_due, wait_seconds, why)

    def _claim(self, writer: OpenWriter) -> _Claimed | None:
        """A batch of what is due, with the people as they are now. None: nothing is, or too little for its age."""
        claimed = None
        until = time.monotonic() + self._lease_seconds - _MARGIN_SECONDS
        try:
            with transaction(synchronous=False) as connection:
                claim_id, dues = deliveries.claim_deliveries(
                    connection,
                    self._destination,
                    self._lane,
                    limit=writer.batch_size,
                    lease_seconds=self._lease_seconds,
                    linger_seconds=self._linger_seconds,
                )
                if dues:
                    people = read_named_people(connection, [due.person_id for due in dues], writer.mapping.named)
                    claimed = _Claimed(claim_id, until, dues, people)
        finally:
            if claimed is None:
                self._permits.put_back()
        return claimed

    def _linger_left(self) -> float:
        """Seconds until young bulk deliveries are sent although they fill no batch; 0.0 if none wait for that."""
        if not self._linger_seconds:
            return 0.0
        with transaction(synchronous=False) as connection:
            return deliveries.linger_left(
                connection, self._destination, self._lane, linger_seconds=self._linger_seconds
            )

    def _send(self, writer: OpenWriter, claimed: _Claimed) -> float:
        """Write one claim and record what came of it. Returns the seconds to leave the destination alone, mostly 0."""
        started = time.monotonic()
        mapped, outcomes = self._map(writer, claimed)
        merged = {person_id for person_id, person in claimed.people.items() if person.merged_into is not None}
        crm_ids = {due.person_id: due.external_id for due in claimed.dues}
        records = [
            Record(str(person_id), person.fields, update_only=person_id in merged, crm_id=crm_ids[person_id])
            for person_id, person in mapped.items()
        ]
        written = Written()
        pause = 0.0
        was_called = bool(records) and time.monotonic() + writer.timeout_seconds <= claimed.until
        if was_called:
            self._forget_once(claimed, mapped)
            written = write_in_halves(
                records, writer.write, may_call=lambda: self._permits.acquire_again(writer, until=claimed.until)
            )
            pause = self._permits.report(written.trouble, writer.usage)
        else:
            self._permits.put_back()
        due_of = {str(due.person_id): due for due in claimed.dues}
        outcomes += [_outcome(result, mapped[UUID(result.key)], due_of[result.key]) for result in written.results]
        trouble = written.trouble
        if trouble is not None and _is_bug(trouble):
            # A bug costs an attempt: with no end to its retries it would stand in everybody's way for ever.
            place = place_of(trouble)
            _log.error("delivery_failed", destination=self._destination, place=place)
            outcomes += [Outcome(UUID(record.key), "retry", code="bug", message=place) for record in written.unsent]
        self._record(
            writer, claimed, outcomes, pause=pause, error=reason_of(trouble) if trouble else None, was_called=was_called
        )
        _log.info(
            "batch_delivered",
            destination=self._destination,
            lane=self._lane,
            claim=str(claimed.claim_id),
            **{state: sum(outcome.state == state for outcome in outcomes) for state in self._counts},
            released=len(claimed.dues) - len(outcomes),
            trouble=type(trouble).__name__ if trouble else None,
            seconds=round(time.monotonic() - started, 3),
        )
        return pause

    def _map(self, writer: OpenWriter, claimed: _Claimed) -> tuple[dict[UUID, MappedPerson], list[Outcome]]:
        """Each person in the CRM's fields; one that cannot be mapped never reaches a call."""
        mapped: dict[UUID, MappedPerson] = {}
        outcomes: list[Outcome] = []
        for due in claimed.dues:
            person = claimed.people.get(due.person_id)
            if person is None:
                outcomes.append(Outcome(due.person_id, "rejected", code="person_missing", message="erased"))
                continue
            if other := _other_key(writer, due):
                outcomes.append(other)
                continue
            if person.merged_into is not None:
                marked = map_merged(writer.mapping, person.merged_into) if writer.can_mark else MappedPerson({})
                if marked.fields:
                    mapped[due.person_id] = marked
                else:
                    outcomes.append(Outcome(due.person_id, "sent", code="merged", message=_CANNOT_MARK))
                continue
            try:
                mapped[due.person_id] = map_person(
                    writer.mapping,
                    due.person_id,
                    person.values,
                    person.attribution,
                    confirmed=due.once_digest,
                    emptied=[name for name, version in person.emptied.items() if version > due.sent_version],
                )
            except RecordError as error:
                outcomes.append(
                    Outcome(due.person_id, "rejected", code=error.code, field=error.field, message=error.message)
                )
            except Exception as error:  # noqa: BLE001 - a bug in one record's path never stops the others
                _log.error("record_failed", stage=Stage.DELIVER, person=str(due.person_id), place=place_of(error))
                outcomes.append(Outcome(due.person_id, "retry", code="bug", message=place_of(error)))
        return mapped, outcomes

    def _forget_once(self, claimed: _Claimed, mapped: dict[UUID, MappedPerson]) -> None:
        """Before a call that changes fields written once: what the CRM last confirmed is not what it has any more.

        Should the answer be lost and the values become the old ones again, nobody could tell otherwise.
        """
        changing = [
            due.person_id
            for due in claimed.dues
            if due.once_digest is not None
            and (person := mapped.get(due.person_id)) is not None
            and person.once_digest not in (None, due.once_digest)
        ]
        if changing:
            with transaction() as connection:
                deliveries.forget_once(connection, self._destination, claimed.claim_id, changing)

    def _record(
        self,
        writer: OpenWriter,
        claimed: _Claimed,
        outcomes: list[Outcome],
        *,
        pause: float,
        error: str | None,
        was_called: bool,
    ) -> None:
        """One transaction: an outcome for each record that has one, and the rest of the claim given back."""
        held = 0
        with transaction() as connection:
            if outcomes:
                recorded = deliveries.record_outcomes(
                    connection,
                    self._destination,
                    claimed.claim_id,
                    claimed.dues,
                    outcomes,
                    call_id=new_id(),
                    backoff=backoff_seconds,
                    max_attempts=self._tuning.delivery_attempts,
                    mapping_version=writer.mapping.version,
                    sent_as=writer.sent_as,
                )
                held += len(recorded)
            if len(outcomes) < len(claimed.dues):
                held += deliveries.release_deliveries(
                    connection,
                    self._destination,
                    claimed.claim_id,
                    delay_seconds=pause,
                    error=error,
                    count_attempt=False,
                )
        if held < len(claimed.dues) and was_called:
            self._make_up_for_lateness(claimed)
        for outcome in outcomes:
            self._counts[outcome.state] += 1

    def _make_up_for_lateness(self, claimed: _Claimed) -> None:
        """The lease ran out meanwhile (a stopped process, a CRM slower than its timeout): who took over may have sent
        newer data, which our call overwrote. In a transaction of its own: locks are taken in one order."""
        with transaction() as connection:
            again = deliveries.send_again_what_was_overtaken(
                connection, self._destination, claimed.claim_id, [due.person_id for due in claimed.dues]
            )
        _log.warning("lease_outlived", destination=self._destination, claim=str(claimed.claim_id), sent_again=again)


def _outcome(result: WriteResult, person: MappedPerson, due: Due) -> Outcome:
    is_written = result.state == "written"
    lacks_once = person.leaves_out_once and result.created is True  # the CRM had lost the record meanwhile
    code, message = result.code, result.message
    if is_written and not code and result.created and due.external_id:
        code, message = "made_again", f"its record {due.external_id} was not there under our key any more: a new one"
    elif is_written and not code and person.truncated:
        code, message = "truncated", f"cut to fit: {', '.join(person.truncated)}"
    return Outcome(
        due.person_id,
        "sent" if is_written else result.state,
        external_id=result.crm_id,
        created=result.created,
        code=code,
        field=result.field,
        message=message,
        once_digest=b"" if lacks_once else person.once_digest,
        content_id=blind_index().content_id(person.content) if is_written and person.content else None,
    )


def _other_key(writer: OpenWriter, due: Due) -> Outcome | None:
    """What becomes of a person whose record the CRM knows by another key than the one that is written to now."""
    if not (due.external_id and due.sent_as and writer.sent_as) or due.sent_as == writer.sent_as:
        return None
    name = writer.destination
    return Outcome(
        due.person_id,
        "rejected",
        code="key_changed",
        message=f"the CRM has it as {due.sent_as}, and as {writer.sent_as} would make a second record. Set"
        f" destinations.{name}.options as they were; or copy the keys in the CRM, then `afluente destination backfill"
        f" {name} --rekeyed`",
    )


def _is_bug(error: Exception) -> bool:
    return not isinstance(error, TransientError | QuotaError | TerminalError | ConfigurationError)
