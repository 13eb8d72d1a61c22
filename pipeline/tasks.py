"""Thin Celery tasks with permanent names: queued messages carry them. Ids or sealed batches in, one call, hints out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from billiard.exceptions import WorkerLostError
from celery import Task, chain, signals
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

from pipeline import flow
from pipeline.app import app
from pipeline.crypto.encryption import open_batch, seal_batch
from pipeline.delivery.comparisons import compare_at_first, compare_mappings
from pipeline.delivery.sender import deliver as send_due
from pipeline.errors import ConfigurationError, TransientError, place_of
from pipeline.hints import hint_deliver, hint_dispatch, hint_fetch, hint_webhooks, take_hint
from pipeline.identity.activities import sweep_activities
from pipeline.identity.withdrawn_points import sweep_withdrawn
from pipeline.lanes import LANES
from pipeline.logs import get_logger
from pipeline.messages import ClaimNote, SealedBatch
from pipeline.privacy.withdrawals import ledger_withdrawals
from pipeline.records import Batch, Claim, Stage
from pipeline.settings.loading import settings
from pipeline.webhooks.sender import send_due as send_due_webhooks
from pipeline.webhooks.upkeep import purge_webhooks, sweep_webhooks

_log = get_logger(__name__)
_PAUSES_SECONDS = (0.2, 1.0)  # a database that restarts or a deadlock: soon over, or the lease will tell
_DELIVER_BUDGET_SECONDS = 10.0
_WEBHOOK_BUDGET_SECONDS = 60.0  # its end waits for slow endpoints, beside which the next one serves the others
_FETCH_BUDGET_SECONDS = 10.0
_MAIL_BUDGET_SECONDS = 40.0  # less than the minute after which beat names it again: one at a time
_RETAIN_BUDGET_SECONDS = 120.0  # half of what a task may take; beside it nothing else runs in the node `ops`
_POLL_HINT_SECONDS = 30  # a source that is still due then is named again; hints must not pile up behind slow feeds
_PATIENCE_SECONDS = 1.0  # longer waits are the sweep's


@app.task(name="leads.dispatch")
def dispatch(lane: str) -> int:
    """Start chains for due events until none is left or enough are under way. Returns the number of leads started."""
    take_hint("dispatch", lane)
    started = 0
    while (claim := flow.claim_batch(lane)) is not None:
        try:
            _start_chain(claim)
        except Exception:
            flow.give_back(claim.claim_id, is_lost=False)  # Redis is away: the sweep tries again
            raise
        started += len(claim.event_ids)
    return started


def _start_chain(claim: Claim) -> None:
    steps = [map_fields.s(ClaimNote(claim)), normalize.s(), dedupe.s(), attribute.s(), load.s()]
    chain(*(step.set(queue=claim.lane) for step in steps)).apply_async()


class StageTask(Task[Any, Any]):
    """A step of the chain: opens the batch, runs one function of `flow`, seals the result for the next step.

    A fault of the infrastructure is retried here for a moment, then the events are given back. A bug gives them back as
    lost, so that they return in halves until the culprit stands alone and is quarantined.
    """

    abstract = True

    @property
    def stage(self) -> Stage:
        return Stage(self.name.removeprefix("leads."))

    def run_stage(self, sealed: SealedBatch, decide: Callable[[Batch], Any]) -> Any:
        batch = open_batch(sealed.sealed, sealed.claim_id)
        try:
            return self.patiently(decide, batch)
        except (TransientError, ConfigurationError) as error:
            self.end_chain(sealed.claim_id, error, is_lost=False)
        except SoftTimeLimitExceeded as error:
            self.end_chain(sealed.claim_id, error, is_lost=True)
        except Exception as error:  # noqa: BLE001 - a bug: halve the batch, or quarantine the one lead that is left
            if flow.park_bug(batch, self.stage, error):
                _log.error("lead_quarantined", stage=self.stage, claim=str(sealed.claim_id), place=place_of(error))
                self.request.chain = None
            else:
                self.end_chain(sealed.claim_id, error, is_lost=True)
        return None

    def patiently(self, decide: Callable[[Any], Any], argument: Any) -> Any:
        for pause in _PAUSES_SECONDS:
            try:
                return decide(argument)
            except TransientError:
                time.sleep(pause)
        return decide(argument)

    def end_chain(self, claim_id: UUID, error: BaseException, *, is_lost: bool) -> None:
        _log.warning("chain_ended", stage=self.stage, claim=str(claim_id), place=place_of(error), is_lost=is_lost)
        self.request.chain = None  # the next step must not run
        try:
            flow.give_back(claim_id, is_lost=is_lost)
        except TransientError:
            _log.warning("claim_left_to_its_lease", claim=str(claim_id))
            return
        if is_lost:
            hint_dispatch("hot")
            hint_dispatch("bulk")


def seal(batch: Batch) -> SealedBatch:
    return SealedBatch(batch.claim_id, batch.lane, len(batch.leads), seal_batch(batch))


@app.task(name="leads.map_fields", base=StageTask, bind=True)
def map_fields(self: StageTask, note: ClaimNote) -> SealedBatch | None:
    claim = note.claim
    try:
        return seal(self.patiently(flow.map_claim, claim))
    except (TransientError, ConfigurationError) as error:
        self.end_chain(claim.claim_id, error, is_lost=False)
    except Exception as error:  # noqa: BLE001 - reading failed for a reason no single record explains: halve
        self.end_chain(claim.claim_id, error, is_lost=True)
    return None


@app.task(name="leads.normalize", base=StageTask, bind=True)
def normalize(self: StageTask, sealed: SealedBatch) -> SealedBatch | None:
    done = self.run_stage(sealed, flow.normalize_batch)
    return None if done is None else seal(done)


@app.task(name="leads.dedupe", base=StageTask, bind=True)
def dedupe(self: StageTask, sealed: SealedBatch) -> SealedBatch | None:
    done = self.run_stage(sealed, flow.deduplicate_batch)
    return None if done is None else seal(done)


@app.task(name="leads.attribute", base=StageTask, bind=True)
def attribute(self: StageTask, sealed: SealedBatch) -> SealedBatch | None:
    done = self.run_stage(sealed, flow.attribute_batch)
    return None if done is None else seal(done)


@app.task(name="leads.load", base=StageTask, bind=True)
def load(self: StageTask, sealed: SealedBatch) -> int:
    """Returns the number of deliveries made due."""
    due = self.run_stage(sealed, flow.load_batch)
    if due is None:
        return 0
    for destination, lane in due:
        hint_deliver(destination, lane)
    hint_dispatch(sealed.lane)
    return sum(due.values())


@app.task(name="deliveries.deliver")
def deliver(destination: str, lane: str) -> dict[str, int | str]:
    """Send what is due to one CRM for a bounded time. Returns counts, and for how long it waits for what."""
    take_hint("deliver", destination, lane)
    compare_at_first(destination)
    report = send_due(destination, lane, budget_seconds=_DELIVER_BUDGET_SECONDS)
    if not report.more_due and 0 < report.wait_seconds <= _PATIENCE_SECONDS:
        time.sleep(report.wait_seconds)  # a batch that is still filling, a token that is about to drop
    if report.more_due or 0 < report.wait_seconds <= _PATIENCE_SECONDS:
        hint_deliver(destination, lane)
    done: dict[str, int | str] = {"sent": report.sent, "retried": report.retried, "rejected": report.rejected}
    if report.waits_for is not None:  # Flower shows it: a green task that sent nothing says why
        done["waits"] = f"{report.wait_seconds:.0f} s: {report.waits_for}"
    return done


@app.task(name="webhooks.send")
def send_webhooks() -> dict[str, int]:
    """Send what the outbox holds, for a bounded time. Returns counts."""
    take_hint("webhooks")
    report = send_due_webhooks(budget_seconds=_WEBHOOK_BUDGET_SECONDS)
    if report.more_due:
        hint_webhooks()
    counts = {"delivered": report.delivered, "retried": report.retried, "failed": report.failed}
    return {**counts, "dropped": report.dropped}


@app.task(name="sources.pull")  # the name is kept for good, docs/decisions/0019 says why
def poll_source(source: str, brand: str, stream: str = "") -> dict[str, int]:
    """Read a polled source, or one stream of it, from its cursor on. Returns counts."""
    from pipeline.intake.polls import run_poll

    report = run_poll(source, brand, stream)
    return {"accepted": report.accepted, "repeated": report.repeated, "revised": report.revised}


@app.task(name="sources.reconcile")
def reconcile_source(source: str, brand: str) -> dict[str, int]:
    """Ask a source that posts what it has posted. Returns counts."""
    from pipeline.intake.reconciling.runs import run_reconcile

    report = run_reconcile(source, brand).poll
    return {"recovered": report.accepted, "known": report.repeated}


@app.task(name="sources.fetch")
def fetch_records(source: str, brand: str) -> dict[str, int]:
    """Read records of which ids came, for a bounded time. Returns counts."""
    from pipeline.intake.fetching.runs import run_fetches

    take_hint("fetch", source, brand)
    report = run_fetches(source, brand, budget_seconds=_FETCH_BUDGET_SECONDS)
    if report.more_due:
        hint_fetch(source, brand)
    return {"fetched": report.fetched, "retried": report.retried, "quarantined": report.quarantined}


@app.task(name="destinations.read_consents")
def read_consents(destination: str) -> dict[str, int]:
    """Read what people took back in a CRM. Returns counts."""
    from pipeline.intake.crm_consents.reading import read_due

    report = read_due(destination)
    return {"records": report.records, "statements": report.statements, "waits": report.waits}


@app.task(name="ops.sweep", send_events=False)  # idle, it would be all that Flower shows: 42 a minute, with the polls
def sweep() -> int:
    """Give the hints that got lost. Returns their number."""
    hints = flow.sweep()
    for kind, *rest in hints:
        (hint_dispatch if kind == "dispatch" else hint_deliver)(*rest)
    sweep_activities()
    sweep_withdrawn()
    ledger_withdrawals()
    if sweep_webhooks():
        hint_webhooks()
    return len(hints) + _hint_fetches()


def _hint_fetches() -> int:
    from pipeline.intake.fetching.runs import due_fetches

    due = due_fetches()
    for source, brand in due:
        hint_fetch(source, brand)
    return len(due)


@app.task(name="ops.poll", send_events=False)
def start_polls() -> int:
    """Start the polls whose time has come, and ask sources that post, and CRMs. Returns the number of tasks."""
    from pipeline.intake.starts import due_starts

    started = due_starts()
    for name, kwargs in started:
        app.tasks[name].apply_async(kwargs=kwargs, expires=_POLL_HINT_SECONDS)
    return len(started)


@app.task(name="ops.watch", send_events=False)
def watch() -> int:
    """Note which sources were heard, and judge the silence of the others. Returns how many are silent unusually.

    Goes on with erasures that wait for a CRM, or are to be looked at again; notes which consents have expired. Nothing
    here waits for a machine of others: beside it nothing else runs in the node `ops`."""
    from pipeline.health.silence.watching import watch_sources
    from pipeline.privacy.erasure import upkeep
    from pipeline.privacy.lapses import sweep_lapsed

    for keep_up in (upkeep, sweep_lapsed):
        try:
            keep_up()
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - what one of them cannot do keeps the others from nothing
            _log.error("privacy_left", place=place_of(error))
    return watch_sources()


@app.task(name="mails.send", send_events=False, soft_time_limit=60, time_limit=90)
def send_mails() -> int:
    """Send the mails that ask for a consent, for a bounded time. Returns how many the mail server took."""
    from pipeline.privacy.asking.confirmation_mails import send_confirmations

    return send_confirmations(budget_seconds=_MAIL_BUDGET_SECONDS)


@app.task(name="ops.retain", send_events=False)
def retain() -> dict[str, int]:
    """Retire what is old by the rules of retention, once a day and for a bounded time at once; and have Redis write its
    file anew once a day, without what was consumed. Returns counts."""
    from pipeline.privacy.retention.running import retain as retain_due
    from pipeline.privacy.sweeping import rewrite_queue_file_daily

    rewrite_queue_file_daily()
    return retain_due(budget_seconds=_RETAIN_BUDGET_SECONDS).counts


@app.task(name="ops.maintain")
def maintain() -> None:
    """Make the coming months' partitions, forget messages to other systems that ended long ago, ask each CRM once a day
    whether its mapping fits, and each source that can be asked whether it knows our address; write down once a day
    where the audit log ends."""
    from pipeline.health.silence.watching import forget_old_hours
    from pipeline.health.subscriptions.asking import ask_due
    from pipeline.intake.reconciling.runs import forget_reconciled
    from pipeline.store.engine import transaction
    from pipeline.store.keys.in_use import note_sealing_key
    from pipeline.store.schema import ensure_partitions

    with transaction() as connection:
        ensure_partitions(connection)
        note_sealing_key(connection)
    _write_heads()
    purge_webhooks()
    forget_reconciled()
    forget_old_hours()
    compare_mappings()
    ask_due()


def _write_heads() -> None:
    """A place that cannot be written must not keep the rest from being done: `doctor` says it too."""
    from pipeline.audit.anchors import write_daily

    try:
        write_daily(settings())
    except ConfigurationError as error:
        _log.error("audit_heads_not_written", remedy=str(error))


@signals.task_failure.connect
def _take_back_lost_batch(sender: Any, exception: BaseException, args: Any = (), **_: Any) -> None:
    """A child was killed in the middle of a batch (out of memory, a fault in a C library, the hard time limit).

    Runs in the node's parent, which is alive: no need to wait for the lease.
    """
    if not isinstance(exception, WorkerLostError | TimeLimitExceeded) or not isinstance(sender, StageTask):
        return
    claims = [part.claim.claim_id for part in args or () if isinstance(part, ClaimNote)]
    claims += [part.claim_id for part in args or () if isinstance(part, SealedBatch)]
    for claim_id in claims:
        _log.error("batch_lost_its_worker", claim=str(claim_id), task=sender.name)
        try:
            flow.give_back(claim_id, is_lost=True)
        except TransientError:
            _log.warning("claim_left_to_its_lease", claim=str(claim_id))
    for lane in LANES:
        hint_dispatch(lane)
