"""Closes the gap between the version of a person, a company, a touch or a consent that a CRM should have and the one it
has.

One round: acquire a permit to call from breaker and governor, claim a full batch, write it with no transaction open,
record an outcome for each record. Which failure costs an attempt and which only time: docs/decisions/0011-governor.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from pipeline.delivery.calls import Called, make_calls
from pipeline.delivery.claims import Claimed, claim_batch, deletion_of, outcome_of, prepare, sent_of
from pipeline.delivery.jobs import JobSender
from pipeline.delivery.permits import CallPermits, reason_of
from pipeline.delivery.recording import record_claim
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import ConfigurationError, QuotaError, TerminalError, TransientError, place_of
from pipeline.lanes import HOT
from pipeline.logs import get_logger
from pipeline.records import Outcome
from pipeline.settings.consent_settings import state_said
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import CONSENT
from pipeline.stages.destination_mapping.mapping import MappedPerson
from pipeline.store.deliveries import crm_consents, crm_records, deliveries
from pipeline.store.deliveries.consents import is_any_ahead
from pipeline.store.deliveries.crm_consents import Overwritten
from pipeline.store.engine import transaction
from pipeline.targets import Target, targets_of

_CALLS_OF_A_CLAIM = 3  # that may time out one after the other: a call and its halves
_PATIENCE_SECONDS = 1.0  # a longer wait is spent elsewhere: other destinations and chains want this process
_MARGIN_SECONDS = 10.0  # between the end of the last call and the end of the lease: to record what came of it
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


def deliver(destination: str, lane: str, *, budget_seconds: float) -> SendReport:
    """Send what is due to one destination in one lane until nothing is, or for about `budget_seconds`.

    Does not raise for what a CRM or Redis does: deliveries stay due and the report says when to come back. Raises
    TransientError if the database is away.
    """
    configured = settings().destinations.get(destination)
    if configured is None or not configured.enabled:
        return SendReport()
    ends_at = time.monotonic() + budget_seconds
    senders = _senders(destination, lane, ends_at=ends_at)
    while True:
        claims = sum(sender.claims for sender in senders)
        for sender in senders:
            report = sender.run()
            if report.more_due or report.wait_seconds > 0:  # of the account, which they share
                return _sum(senders, report)
        # The answer to one record may have woken another's: until nothing is due any more.
        if len(senders) == 1 or sum(sender.claims for sender in senders) == claims:
            return _sum(senders, report)


def _senders(destination: str, lane: str, *, ends_at: float) -> list[_Sender]:
    """One for each target. Where consents are records of their own the others look, before each claim, whether a
    withdrawal is to go first; so does the bulk lane."""
    targets = _targets(destination)
    consents = next((target for target in targets if target.subject == CONSENT), None)
    if consents is None:
        return [_Sender(target, lane, ends_at=ends_at) for target in targets]
    first = _Sender(consents, HOT, ends_at=ends_at)
    senders = [_Sender(target, lane, ends_at=ends_at, first=first) for target in targets]
    return [first, *(sender for sender in senders if lane != HOT or sender.target != consents)]


def _targets(destination: str) -> tuple[Target, ...]:
    try:
        return targets_of(destination)
    except ConfigurationError:  # the permits say so, and halt the destination
        return (Target(destination),)


def _sum(senders: Sequence[_Sender], ended: SendReport) -> SendReport:
    """What all targets came to, and how the last of them ended."""
    counts = {state: sum(sender.counts[state] for sender in senders) for state in ("sent", "retry", "rejected")}
    return msgspec.structs.replace(ended, sent=counts["sent"], retried=counts["retry"], rejected=counts["rejected"])


class _Sender:
    """One `deliver` at work on one target."""

    def __init__(self, target: Target, lane: str, *, ends_at: float, first: _Sender | None = None) -> None:
        """`first`: what it is asked for before each claim goes ahead of it."""
        destination = target.destination
        self.target = self._target = target
        self._first = first
        self._destination = destination
        self._lane = lane
        self._ends_at = ends_at
        self._tuning = settings().tuning
        busy = _CALLS_OF_A_CLAIM * settings().destinations[destination].timeout_seconds + _MARGIN_SECONDS
        self._lease_seconds = max(self._tuning.delivery_lease_seconds, busy)
        self._linger_seconds = 0.0 if lane == HOT else self._tuning.delivery_linger_seconds
        self._permits = CallPermits(target, is_hot=lane == HOT, probe_seconds=busy)
        self.counts = dict.fromkeys(("sent", "retry", "rejected"), 0)
        self.claims = 0
        self._jobs = JobSender(target, lane, self._permits, self.counts)

    def run(self) -> SendReport:
        """Until nothing is due, or for as long as it may take. Its counts are those of all runs."""
        while True:
            ahead = self._first.run_ahead() if self._first is not None else None
            if ahead is not None:
                return ahead
            writer, wait = self._permits.acquire()
            if writer is not None:
                pause = self._jobs.work(writer)
                if pause is not None:
                    self.claims += 1
                    if pause > 0 or time.monotonic() >= self._ends_at:
                        return self._report(more_due=pause == 0, wait_seconds=pause)
                    continue
                claimed = self._claim(writer)
                if claimed is not None:
                    self.claims += 1
                    pause = self._send(writer, claimed)
                    if pause > 0 or time.monotonic() >= self._ends_at:
                        return self._report(more_due=pause == 0, wait_seconds=pause)
                    continue
                wait = self._linger_left()
            if wait == 0 or wait > _PATIENCE_SECONDS or time.monotonic() + wait >= self._ends_at:
                return self._report(more_due=False, wait_seconds=wait)
            time.sleep(wait)

    def run_ahead(self) -> SendReport | None:
        """As `run`, where something is due; None: whoever waits for it may go on."""
        with transaction(synchronous=False) as connection:
            if not is_any_ahead(connection, self._target.name):
                return None
        report = self.run()
        return report if report.more_due or report.wait_seconds > 0 else None

    def _report(self, *, more_due: bool, wait_seconds: float) -> SendReport:
        counts = self.counts
        why = self._permits.waits_for if wait_seconds > 0 else None
        return SendReport(counts["sent"], counts["retry"], counts["rejected"], more_due, wait_seconds, why)

    def _claim(self, writer: OpenWriter) -> Claimed | None:
        claimed = None
        try:
            with transaction(synchronous=False) as connection:
                claimed = claim_batch(
                    connection,
                    self._target,
                    writer,
                    self._lane,
                    until=time.monotonic() + self._lease_seconds - _MARGIN_SECONDS,
                    lease_seconds=self._lease_seconds,
                    linger_seconds=self._linger_seconds,
                )
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
                connection, self._target.name, self._lane, linger_seconds=self._linger_seconds
            )

    def _send(self, writer: OpenWriter, claimed: Claimed) -> float:
        """Write one claim and record what came of it. Returns the seconds to leave the destination alone, mostly 0."""
        started = time.monotonic()
        prepared = prepare(self._target, writer, claimed)
        outcomes, pause, trouble = prepared.outcomes, 0.0, None
        due_of = {str(due.person_id): due for due in claimed.dues}
        called: Called | None = None
        if prepared.calls_for and time.monotonic() + writer.timeout_seconds <= claimed.until:
            self._forget_once(claimed, prepared.mapped)
            called = make_calls(
                self._target,
                writer,
                claimed,
                prepared,
                may_call=lambda: self._permits.acquire_again(writer, until=claimed.until),
            )
            trouble = called.trouble
            pause = self._permits.report(trouble, writer.usage)
            outcomes += [deletion_of(result, due_of[result.key]) for result in called.gone.results]
            outcomes += [
                outcome_of(
                    result,
                    sent_of(prepared.mapped[due.person_id], claimed.links.get(due.person_id, ())),
                    due,
                    is_adopted=is_adopted,
                )
                for result, is_adopted in called.results()
                for due in (due_of[result.key],)
            ]
            if trouble is not None and _is_bug(trouble):
                # A bug costs an attempt: with no end to its retries it would stand in everybody's way for ever.
                place = place_of(trouble)
                _log.error("delivery_failed", destination=self._target.name, place=place)
                outcomes += [Outcome(UUID(record.key), "retry", code="bug", message=place) for record in called.unsent]
        else:
            self._permits.put_back()
        self._record(
            writer, claimed, outcomes, pause=pause, error=reason_of(trouble) if trouble else None, called=called
        )
        _log.info(
            "batch_delivered",
            destination=self._target.name,
            lane=self._lane,
            claim=str(claimed.claim_id),
            **{state: sum(outcome.state == state for outcome in outcomes) for state in self.counts},
            released=len(claimed.dues) - len(outcomes),
            trouble=type(trouble).__name__ if trouble else None,
            seconds=round(time.monotonic() - started, 3),
        )
        return pause

    def _overwritten(self, writer: OpenWriter, called: Called | None) -> list[Overwritten]:
        """Where opt-outs are read in this CRM: what its fields say that were written just now."""
        configured = settings().destinations.get(self._target.destination)
        if called is None or configured is None or not configured.reads_consent:
            return []
        watched = configured.reads_consent
        fields = called.overwrote(writer.mapping.declaration.consent_fields)
        return [Overwritten(crm_id, name, state_said(watched, name, value)) for crm_id, name, value in fields]

    def _forget_once(self, claimed: Claimed, mapped: dict[UUID, MappedPerson]) -> None:
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
                deliveries.forget_once(connection, self._target.name, claimed.claim_id, changing)

    def _record(
        self,
        writer: OpenWriter,
        claimed: Claimed,
        outcomes: list[Outcome],
        *,
        pause: float,
        error: str | None,
        called: Called | None,
    ) -> None:
        """One transaction: an outcome for each record that has one, and the rest of the claim given back."""
        held = 0
        with transaction() as connection:
            if outcomes:
                held += record_claim(
                    connection,
                    self._target,
                    writer.mapping,
                    claimed.dues,
                    outcomes,
                    claim=claimed.claim_id,
                    mapping_version=writer.mapping.version,
                    sent_as=writer.sent_as,
                    unlinked=claimed.unlinked,
                )
            if len(outcomes) < len(claimed.dues):
                held += deliveries.release_deliveries(
                    connection,
                    self._target.name,
                    claimed.claim_id,
                    delay_seconds=pause,
                    error=error,
                    count_attempt=False,
                )
            if called is not None and called.there:
                owners, lost = called.taken_over()
                crm_records.note_written(connection, owners)
                crm_records.note_lost(connection, lost)
            crm_consents.forget_overwritten(connection, self._target.destination, self._overwritten(writer, called))
        if held < len(claimed.dues) and called is not None:
            self._make_up_for_lateness(claimed)
        for outcome in outcomes:
            self.counts[outcome.state] += 1

    def _make_up_for_lateness(self, claimed: Claimed) -> None:
        """The lease ran out meanwhile (a stopped process, a CRM slower than its timeout): who took over may have sent
        newer data, which our call overwrote. In a transaction of its own: locks are taken in one order."""
        with transaction() as connection:
            again = deliveries.send_again_what_was_overtaken(
                connection, self._target.name, claimed.claim_id, [due.person_id for due in claimed.dues]
            )
        _log.warning("lease_outlived", destination=self._target.name, claim=str(claimed.claim_id), sent_again=again)


def _is_bug(error: Exception) -> bool:
    return not isinstance(error, TransientError | QuotaError | TerminalError | ConfigurationError)
