"""Jobs at a CRM that takes many new records at once: opened, filled, asked about, their results recorded.

Each step is taken by whichever worker has time. The job's id is stored before the CRM may write, and goes in the
transaction that records the outcomes: whoever is killed, another goes on with the same job, and none is made twice.
What a job did not settle is due again with an attempt counted, and goes alone or in a batch then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection

from connectors.kit import Jobs, Record, WriteResult
from pipeline.delivery.claims import Claimed, Prepared, Sent, claim_batch, outcome_of, prepare, sent_of
from pipeline.delivery.lookups import looks_up
from pipeline.delivery.permits import CallPermits, reason_of
from pipeline.delivery.recording import record_claim
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import ConfigurationError, QuotaError, RecordError, TerminalError, TransientError
from pipeline.lanes import BULK
from pipeline.logs import get_logger
from pipeline.records import Due, Outcome
from pipeline.store.deliveries import deliveries, jobs
from pipeline.store.deliveries.jobs import DeliveryJob, JobRecord
from pipeline.store.engine import transaction
from pipeline.targets import Target

_BUSY_SECONDS = 300.0  # for one step with a job, uploads and answers of megabytes included
_LEASE_SECONDS = 3_600.0  # of its deliveries, renewed whenever it is asked about
_POLL_SECONDS = 5.0
_OTHERS_SECONDS = 0.2
_MOST_JOBS = 10  # of a target at once
_SEVERAL = 3  # refused for what may be a setting, and nothing written: no reason to park them all
_ERRORS = (ConfigurationError, QuotaError, TerminalError, TransientError)
_log = get_logger(__name__)


class JobSender:
    """The jobs of one target, for one `deliver` of the bulk lane. `counts`: outcomes by state, added to."""

    def __init__(self, target: Target, lane: str, permits: CallPermits, counts: dict[str, int]) -> None:
        self._target, self._lane, self._permits, self._counts = target, lane, permits, counts
        self._has_nothing = False

    def work(self, writer: OpenWriter) -> float | None:
        """One step with one job, for which the calls of a write were granted. Returns the seconds to leave the CRM
        alone, mostly 0; None: there was nothing to do, and the grant is still there."""
        if self._lane != BULK or self._has_nothing or not isinstance(writer.writer, Jobs):
            return None
        # Who is looked for before they are made goes in batches, which can ask.
        able = None if looks_up(self._target, writer) else writer.jobs
        most = (able.job_above or 0) if able is not None else 0
        with transaction() as connection:
            now = jobs.look_at_jobs(connection, self._target.name, self._lane, most=most)
            job = jobs.take_job(connection, self._target.name, busy_seconds=_BUSY_SECONDS) if now.is_turn else None
        if job is not None:
            return self._ask(writer, job)
        if able is not None and now.untried >= most and now.jobs < _MOST_JOBS:
            return self._open(writer, able)
        self._has_nothing = True  # what comes later is seen by the next `deliver`
        return None

    def _open(self, writer: OpenWriter, able: Jobs) -> float:
        with transaction(synchronous=False) as connection:
            claimed = claim_batch(
                connection,
                self._target,
                writer,
                self._lane,
                until=time.monotonic() + _BUSY_SECONDS,
                lease_seconds=_BUSY_SECONDS,
                job_size=able.job_size,
            )
        if claimed is None:  # other workers have them, and have not said so yet
            self._permits.put_back()
            return _OTHERS_SECONDS
        prepared = prepare(self._target, writer, claimed)
        marks = [record for record in prepared.records if record.update_only]
        prepared.outcomes.extend(
            Outcome(UUID(record.key), "retry", code="not_for_jobs", message="it is written by itself")
            for record in (*marks, *prepared.adopted, *prepared.gone)
        )
        records = [record for record in prepared.records if not record.update_only]
        job, trouble = self._fill(writer, able, claimed, prepared, records) if records else (None, None)
        pause = self._told(writer, trouble, was_called=bool(records))
        self._settle_opened(writer, claimed, prepared.outcomes, job=job, pause=pause, trouble=trouble)
        return pause

    def _fill(
        self, writer: OpenWriter, able: Jobs, claimed: Claimed, prepared: Prepared, records: list[Record]
    ) -> tuple[DeliveryJob | None, Exception | None]:
        """The job, None where there is none, and what went wrong."""
        try:
            job_id = able.open_job()
        except _ERRORS as error:
            return None, error
        if time.monotonic() > claimed.until:  # somebody else may have them by now
            return None, TransientError("opening a job took too long")
        job = _job_of(writer, claimed, prepared, job_id, {UUID(record.key) for record in records})
        with transaction() as connection:
            jobs.add_job(connection, self._target.name, self._lane, job, busy_seconds=_BUSY_SECONDS)
        try:
            able.fill_job(job_id, records)
        except RecordError as error:  # too large as a whole: its records go in batches
            return job, self._give_up(writer, able, job, error)
        except _ERRORS as error:  # whether it was closed is not known: it says so when it is asked
            return job, error
        return job, None

    def _settle_opened(
        self,
        writer: OpenWriter,
        claimed: Claimed,
        outcomes: list[Outcome],
        *,
        job: DeliveryJob | None,
        pause: float,
        trouble: Exception | None,
    ) -> None:
        """What needed no job is recorded; what has none is due again."""
        with transaction() as connection:
            if outcomes:
                by = DeliveryJob(claimed.claim_id, "", writer.mapping.version, writer.sent_as, [])
                self._record(connection, writer, by, claimed.dues, outcomes)
            if job is not None:
                self._leave(connection, claimed.claim_id)
            elif len(outcomes) < len(claimed.dues):
                deliveries.release_deliveries(
                    connection,
                    self._target.name,
                    claimed.claim_id,
                    delay_seconds=pause,
                    error=reason_of(trouble) if trouble else None,
                    count_attempt=False,
                )
        _log.info(
            "job_opened" if job else "job_not_opened",
            destination=self._target.name,
            claim=str(claimed.claim_id),
            records=len(claimed.dues) - len(outcomes),
            trouble=type(trouble).__name__ if trouble else None,
        )

    def _give_up(self, writer: OpenWriter, able: Jobs, job: DeliveryJob, error: RecordError) -> Exception | None:
        try:
            able.drop_job(job.job_id)
        except _ERRORS as trouble:
            return trouble
        self._finish(writer, job, {}, f"{error.code}: {error.message}")
        return None

    def _ask(self, writer: OpenWriter, job: DeliveryJob) -> float:
        """What became of a job. One whose kind of CRM takes no jobs any more is given back."""
        able = writer.writer if isinstance(writer.writer, Jobs) else None
        trouble: Exception | None = None
        try:
            if able is None:
                self._finish(writer, job, {}, "the destination takes no jobs any more")
            else:
                self._go_on(writer, able, job)
        except _ERRORS as error:
            trouble = error
            with transaction() as connection:
                self._leave(connection, job.claim)
        return self._told(writer, trouble, was_called=able is not None)

    def _go_on(self, writer: OpenWriter, able: Jobs, job: DeliveryJob) -> None:
        found = able.job_state(job.job_id)
        if found.state == "running":
            with transaction() as connection:
                self._leave(connection, job.claim)
        elif found.state == "open":  # whoever was to fill it was stopped: it has written nothing, and never will
            able.drop_job(job.job_id)
            self._finish(writer, job, None, "the job was never filled")
        elif found.state == "gone":
            self._finish(writer, job, {}, "the CRM does not know the job any more")
        else:
            self._finish(writer, job, able.job_results(job.job_id), found.message)
            try:
                able.drop_job(job.job_id)  # its rows hold personal data
            except _ERRORS as error:
                _log.warning("job_not_dropped", destination=self._target.name, reason=reason_of(error))

    def _finish(
        self,
        writer: OpenWriter,
        job: DeliveryJob,
        results: Mapping[str, WriteResult] | None,
        message: str | None,
    ) -> None:
        """Outcomes and the end of the job, in one transaction. `results`: None, nothing was tried."""
        name = self._target.name
        dues = [Due(name, record.person_id, record.version, record.attempts, None) for record in job.records]
        outcomes = [] if results is None else _outcomes(job, dues, results, message)
        held = len(outcomes)
        with transaction() as connection:
            if not jobs.end_job(connection, job.claim):
                return
            if results is None:
                deliveries.release_deliveries(
                    connection, name, job.claim, delay_seconds=0.0, error=message, count_attempt=False
                )
            else:
                held = self._record(connection, writer, job, dues, outcomes)
        if held < len(outcomes):  # a program of before took them back, and may have written what is newer
            with transaction() as connection:
                ids = [due.person_id for due in dues]
                deliveries.send_again_what_was_overtaken(connection, name, job.claim, ids)
        counts = {state: sum(outcome.state == state for outcome in outcomes) for state in self._counts}
        _log.info("job_over", destination=name, claim=str(job.claim), **counts)

    def _record(
        self,
        connection: Connection,
        writer: OpenWriter,
        job: DeliveryJob,
        dues: Sequence[Due],
        outcomes: Sequence[Outcome],
    ) -> int:
        """How many were still held."""
        held = record_claim(
            connection,
            self._target,
            writer.mapping,
            dues,
            outcomes,
            claim=job.claim,
            mapping_version=job.mapping_version,
            sent_as=job.sent_as,
            unlinked={sent.person_id for sent in job.records if sent.links_id is None},
        )
        for outcome in outcomes:
            self._counts[outcome.state] += 1
        return held

    def _leave(self, connection: Connection, claim: UUID) -> None:
        jobs.leave_job(connection, self._target.name, claim, poll_seconds=_POLL_SECONDS, lease_seconds=_LEASE_SECONDS)

    def _told(self, writer: OpenWriter, trouble: Exception | None, *, was_called: bool) -> float:
        if was_called:
            return self._permits.report(trouble, writer.usage)
        self._permits.put_back()
        return 0.0


def _job_of(writer: OpenWriter, claimed: Claimed, prepared: Prepared, job_id: str, ids: set[UUID]) -> DeliveryJob:
    records = []
    for due in claimed.dues:
        if due.person_id in ids:
            sent = sent_of(prepared.mapped[due.person_id], claimed.links.get(due.person_id, ()))
            records.append(
                JobRecord(
                    due.person_id,
                    due.version,
                    due.attempts,
                    sent.once_digest,
                    sent.is_partial,
                    sent.content_id,
                    sent.links_id,
                    sent.truncated,
                )
            )
    return DeliveryJob(claimed.claim_id, job_id, writer.mapping.version, writer.sent_as, records)


def _outcomes(
    job: DeliveryJob, dues: list[Due], results: Mapping[str, WriteResult], message: str | None
) -> list[Outcome]:
    found = list(results.values())
    is_doubtful = len(found) >= _SEVERAL and all(
        result.state == "rejected" and result.blames_setting for result in found
    )
    outcomes = []
    for record, due in zip(job.records, dues, strict=True):
        key = str(record.person_id)
        result = results.get(key) or WriteResult(
            key, "retry", code="not_processed", message=message or "the job left it out: it is written by itself"
        )
        if is_doubtful:
            result = replace(result, state="retry")
        sent = Sent(record.once_digest, record.is_partial, record.content_id, record.links_id, record.truncated)
        outcomes.append(outcome_of(result, sent, due))
    return outcomes
