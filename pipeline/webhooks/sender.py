"""Sends what the outbox holds: claims with a lease, posts in threads, records what came of each.

The database is asked by one thread only; the others wait for endpoints. At most `concurrent` messages of an endpoint
are in flight, over all senders: one that is slow keeps its own messages waiting and nobody else's. A sender that is
killed between posting and recording leaves a lease that runs out, and the message goes out again under its id.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import ConfigurationError, TransientError, place_of
from pipeline.logs import get_logger
from pipeline.records.webhooks import WebhookMessage, WebhookOutcome
from pipeline.settings.declarations import WebhookPolicy
from pipeline.store.engine import patiently, transaction
from pipeline.store.webhooks import endpoints, messages
from pipeline.store.webhooks.endpoints import Health
from pipeline.webhooks.answers import GONE, Call, attempts_of, outcome_of, pause_of
from pipeline.webhooks.endpoints import OpenEndpoint, declare_endpoints, open_endpoint
from pipeline.webhooks.payloads import Made, Unmade, make_payloads
from pipeline.webhooks.posting import Lines

_THREADS = 64  # calls at once, over all endpoints, of one sender
_MOST_OF_A_CLAIM = 16  # as the settings allow at most
_MARGIN_SECONDS = 15.0  # of a lease, beyond the call: to connect, and to record what came of it
_LOOK_SECONDS = 0.2  # while calls are under way, for what became due meanwhile
_UNUSABLE_SECONDS = 60.0  # until an endpoint without a secret or address is tried again
_PAUSES_SECONDS = (0.2, 1.0, 3.0)  # a database that restarts: what was sent should be recorded, not sent again
_OFF_GONE, _OFF_FAILING = "gone", "failing"
_DAY_SECONDS = 86_400.0
_log = get_logger(__name__)


class SendReport(msgspec.Struct, frozen=True):
    """What one `send_due` did. `more_due`: its time was up; call again."""

    delivered: int = 0
    retried: int = 0
    failed: int = 0
    dropped: int = 0
    more_due: bool = False


class _Posted(msgspec.Struct, frozen=True):
    endpoint: OpenEndpoint
    claim: UUID
    message: WebhookMessage
    call: Call


def send_due(*, budget_seconds: float) -> SendReport:
    """Send what is due until nothing is, or for about `budget_seconds`; calls under way then are waited for.

    Does not raise for what endpoints do. Raises TransientError if the database is away.
    """
    declare_endpoints()
    lines = Lines()
    try:
        with ThreadPoolExecutor(_THREADS + _MOST_OF_A_CLAIM, thread_name_prefix="webhooks") as threads:
            return _Sender(threads, lines, ends_at=time.monotonic() + budget_seconds).run()
    finally:
        lines.close()


class _Sender:
    """One `send_due` at work."""

    def __init__(self, threads: ThreadPoolExecutor, lines: Lines, *, ends_at: float) -> None:
        self._threads = threads
        self._lines = lines
        self._ends_at = ends_at
        self._calls: set[Future[_Posted]] = set()
        self._counts = dict.fromkeys(("delivered", "due", "failed", "dropped", "held"), 0)

    def run(self) -> SendReport:
        more_due = False
        while True:
            more_due = time.monotonic() >= self._ends_at
            found = False if more_due else self._claim_due()
            if self._calls:
                self._record(wait(self._calls, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done)
            elif not found:
                break
        counts = self._counts
        return SendReport(counts["delivered"], counts["due"], counts["failed"], counts["dropped"], more_due)

    def _claim_due(self) -> bool:
        """Start calls for what is due, as far as there are threads for it. True if anything was claimed."""
        if len(self._calls) >= _THREADS:
            return False
        with transaction(synchronous=False) as connection:
            names = endpoints.due_endpoints(connection)
        found = False
        for name in names:
            if len(self._calls) < _THREADS:
                found = self._claim_safely(name) or found
        return found

    def _claim_safely(self, name: str) -> bool:
        """One endpoint that cannot be worked on keeps nobody else waiting."""
        try:
            return self._claim(name)
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug: the endpoint is left alone for a while, and the log says where
            _log.error("webhook_bug", endpoint=name, place=place_of(error))
            with transaction() as connection:
                endpoints.pause_endpoint(connection, name, _UNUSABLE_SECONDS)
            return False

    def _claim(self, name: str) -> bool:
        """Lease what of an endpoint is due and has room, and start its calls. True if there was something."""
        with transaction() as connection:
            opened = self._open(connection, name)
            if opened is None:
                return False
            policy = opened.policy
            lease_seconds = policy.timeout_seconds + _MARGIN_SECONDS
            claim, claimed = messages.claim_messages(
                connection, name, most=policy.concurrent, lease_seconds=lease_seconds
            )
            if not claimed:
                return False
            bodies = make_payloads(connection, claimed, policy)
            ended = [
                outcome for message in claimed if (outcome := _unsent(message, bodies[message.message_id], policy))
            ]
            if ended:
                messages.record_outcomes(connection, claim, ended)
        for outcome in ended:
            self._counts[outcome.state] += 1
            _log.info("webhook_not_sent", endpoint=name, message=str(outcome.message_id), code=outcome.code)
        done = {outcome.message_id for outcome in ended}
        for message in claimed:
            body = bodies[message.message_id]
            if message.message_id not in done and isinstance(body, bytes):
                self._calls.add(self._threads.submit(self._post, opened, claim, message, body))
        return True

    def _open(self, connection: Connection, name: str) -> OpenEndpoint | None:
        """The endpoint, held against other senders; None if it cannot be called now."""
        if not endpoints.hold_endpoint(connection, name):
            return None
        stored = endpoints.read_endpoint(connection, name)
        try:
            return None if stored is None else open_endpoint(stored)
        except (ConfigurationError, ValueError) as error:
            _log.error("webhook_unusable", endpoint=name, error=str(error))
            endpoints.pause_endpoint(connection, name, _UNUSABLE_SECONDS)
            return None

    def _post(self, endpoint: OpenEndpoint, claim: UUID, message: WebhookMessage, body: bytes) -> _Posted:
        """In a thread."""
        try:
            call = self._lines.post(endpoint, message.message_id, body)
        except Exception as error:  # noqa: BLE001 - a bug costs an attempt: with no end it would stand in everybody's way
            _log.error("webhook_bug", endpoint=endpoint.name, place=place_of(error))
            call = Call(None, "bug")
        return _Posted(endpoint, claim, message, call)

    def _record(self, done: set[Future[_Posted]]) -> None:
        self._calls -= done
        by_claim: defaultdict[tuple[str, UUID], list[_Posted]] = defaultdict(list)
        for future in done:
            posted = future.result()
            by_claim[posted.endpoint.name, posted.claim].append(posted)
        for several in by_claim.values():
            outcomes = [outcome_of(posted.message, posted.call, posted.endpoint.policy) for posted in several]
            patiently(partial(_write, several, outcomes), pauses=_PAUSES_SECONDS)
            for outcome in outcomes:
                self._counts[outcome.state] += 1


def _unsent(message: WebhookMessage, body: Made, policy: WebhookPolicy) -> WebhookOutcome | None:
    """What is not sent now: nothing to tell any more, no payload, or its senders were lost too often."""
    if isinstance(body, str):
        return WebhookOutcome(message.message_id, "dropped", body, is_attempt=False)
    if isinstance(body, Unmade):
        return outcome_of(message, Call(None, body.code), policy)
    if message.attempts >= attempts_of(policy):
        return WebhookOutcome(message.message_id, "failed", "sender_lost", is_attempt=False)
    return None


def _write(several: list[_Posted], outcomes: list[WebhookOutcome]) -> None:
    """Of one endpoint and claim, in one transaction: what became of the messages, and what follows for the endpoint."""
    endpoint, claim = several[0].endpoint, several[0].claim
    states = [outcome.state for outcome in outcomes]
    refused = [posted.call for posted in several if not posted.call.is_taken]
    with transaction() as connection:
        messages.record_outcomes(connection, claim, outcomes)
        health = endpoints.note_calls(
            connection,
            endpoint.name,
            delivered=states.count("delivered"),
            failed=len(refused),
            exhausted=states.count("failed"),
            code=several[-1].call.code,
        )
        if any(call.status == GONE for call in refused):
            _end(connection, endpoint)
        elif refused and _fails_for_long(health, endpoint):
            _switch_off(connection, endpoint.name, _OFF_FAILING)
        elif pause := max((pause_of(call, health.failures) for call in refused), default=0.0):
            endpoints.pause_endpoint(connection, endpoint.name, pause)


def _fails_for_long(health: Health, endpoint: OpenEndpoint) -> bool:
    policy = endpoint.policy
    return (
        health.failing_seconds >= policy.disable_after_days * _DAY_SECONDS
        or health.failed_messages >= policy.disable_after_failed
    )


def _end(connection: Connection, endpoint: OpenEndpoint) -> None:
    """It said that it is gone: a subscription ends by that, an endpoint of the settings waits for a human."""
    if endpoint.is_hook:
        endpoints.remove_hook(connection, endpoint.name)
        _log.info("webhook_unsubscribed", endpoint=endpoint.name, code=f"http_{GONE}")
    else:
        _switch_off(connection, endpoint.name, _OFF_GONE)


def _switch_off(connection: Connection, name: str, because: str) -> None:
    if endpoints.switch_off(connection, name, because):
        remedy = f"mend it, then `afluente webhook enable {name}`"
        _log.warning("webhook_switched_off", endpoint=name, because=because, remedy=remedy)
