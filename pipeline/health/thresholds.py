"""When a reading becomes a sentence that somebody should read. Numbers carry their unit and their reason."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.delivery.standing import why_halted, why_quota_waits
from pipeline.health.readings import DatabaseReading, Readings, RedisReading, WebhookReading
from pipeline.health.request_checks import find_refused
from pipeline.lanes import BULK, HOT
from pipeline.store.events.revisions import ManyRevisions
from pipeline.store.fetches.pauses import FetchState
from pipeline.values.counting import counted
from pipeline.webhooks.hooks import KEY_GONE

OLDEST_PENDING_SECONDS = {HOT: 60.0, BULK: 900.0}  # a hot lead is worth minutes; an import may take a quarter hour
OLDEST_DUE_SECONDS = {HOT: 120.0, BULK: 1800.0}
OLDEST_FETCH_SECONDS = 300.0  # a record is read within seconds, unless its source has a quota that is used up
OLDEST_MESSAGE_SECONDS = 900.0  # to another system: two tries five minutes apart were not enough
OFF_REASONS = {
    "gone": "switched off, because it answered 410",
    "failing": "switched off, because it failed for too long",
    "by hand": "switched off by hand",
}
UNTAKEN_MESSAGES = 1_000  # hints are few: this many mean that nobody consumes the queue
REDIS_MEMORY_SHARE = 0.7  # a full broker refuses messages
LEAST_FREE_BYTES = 100_000_000  # doctor is content with a gigabyte; below this, hours are left, or minutes
LONG_FULL_SECONDS = 60.0  # a day's calls, not those of some seconds, are used up
SLOWED_BELOW = 0.5  # share of the rate in force
KEY_REMEDY = "set the key again in AFLUENTE_API_KEYS and restart the receiver, or end it: DELETE /v1/hooks"
REVISIONS_REMEDY = (
    "if they are of different people, its event_id names no record, and each takes the place of the one before:"
    " correct event_id in its connector"
)


def find_alarms(readings: Readings) -> list[str]:
    """What is wrong now, as sentences that name the part, the reading and the next step. Empty when all is well."""
    alarms = [f"{part}: {reason}" for part, reason in sorted(readings.absent.items())]
    if readings.database is not None:
        alarms += _of_database(readings.database)
    if readings.redis is not None:
        alarms += _of_redis(readings.redis)
    return alarms


def _of_database(reading: DatabaseReading) -> list[str]:
    alarms = [
        f"{lane}: the oldest of {counted(backlog.count, 'event')} has waited {backlog.oldest_seconds:.0f} s"
        f" for a chain; is the {lane} node running?"
        for lane, backlog in sorted(reading.pending.items())
        if backlog.oldest_seconds > OLDEST_PENDING_SECONDS[lane]
    ]
    alarms += [
        f"{destination}: the oldest of {counted(backlog.count, f'{lane} delivery', f'{lane} deliveries')}"
        f" is due since {backlog.oldest_seconds:.0f} s; `afluente destination list` says what for"
        for destination, lanes in sorted(reading.due.items())
        for lane, backlog in sorted(lanes.items())
        if backlog.oldest_seconds > OLDEST_DUE_SECONDS[lane]
    ]
    alarms += [
        f"source {source}: {describe_revisions(found)}; {REVISIONS_REMEDY}"
        for source, found in sorted(reading.many_revisions.items())
    ]
    alarms += find_refused(reading.requests)
    alarms += [
        sentence for name, webhook in sorted(reading.webhooks.items()) for sentence in _of_webhook(name, webhook)
    ]
    alarms += [sentence for state in reading.fetches if (sentence := describe_fetches(state, datetime.now(UTC)))]
    open_count = sum(reading.quarantined.values())
    if open_count:
        waits = "1 waits" if open_count == 1 else f"{open_count} wait"
        alarms.append(f"quarantine: {waits} for a human; see `afluente quarantine list`")
    return alarms


def describe_fetches(state: FetchState, now: datetime) -> str | None:
    """Why leads of a source wait for their records, in a sentence; None if that is as it should be."""
    leads = counted(state.waiting, "lead")
    if state.error is not None and (state.failures or state.is_terminal):
        due = state.until.astimezone(UTC).strftime("%H:%M:%S UTC") if state.until else "soon"
        by_hand = f"or at once by `afluente source fetch {state.source}`"
        return f"source {state.source}: {leads} wait for their records: {state.error}; tried again at {due}, {by_hand}"
    waits = state.waits_seconds(now)
    if waits <= OLDEST_FETCH_SECONDS:
        return None
    last = state.error or state.last_error or "nobody has asked yet; is the pull node running?"
    return f"source {state.source}: the oldest of {leads} waits for its record since {waits:.0f} s: {last}"


def _of_webhook(name: str, webhook: WebhookReading) -> list[str]:
    backlog = webhook.backlog
    waits = f"{counted(backlog.held, 'message')} held" if backlog.held else "nothing waits yet"
    if webhook.state.startswith(f"off: {KEY_GONE}"):
        return [f"webhook {name}: {webhook.state.removeprefix('off: ')} ({waits}); {KEY_REMEDY}/{name}"]
    if webhook.state.startswith("off: ") and "afluente.yaml" not in webhook.state:
        reason = OFF_REASONS.get(webhook.state.removeprefix("off: "), webhook.state)
        return [f"webhook {name}: {reason} ({waits}); mend it, then `afluente webhook enable {name}`"]
    if backlog.oldest_seconds > OLDEST_MESSAGE_SECONDS:
        waiting = counted(backlog.due + backlog.in_flight, "message")
        last = webhook.last_code or "none yet"
        seconds = round(backlog.oldest_seconds)
        return [f"webhook {name}: the oldest of {waiting} waits since {seconds} s; its last answer: {last}"]
    return []


def describe_revisions(found: ManyRevisions) -> str:
    """A source whose ids may be no ids of records, in words."""
    if found.ids == 1:
        return f"one id came with {found.most + 1} different contents"
    return f"{found.ids} ids came with many different contents, one with {found.most + 1}"


def _of_redis(reading: RedisReading) -> list[str]:
    alarms = [
        f"{queue}: {counted(count, 'message')} that no worker takes; is its node running?"
        for queue, count in reading.queues.items()
        if count > UNTAKEN_MESSAGES
    ]
    for name, destination in reading.destinations.items():
        if halted := why_halted(name, destination.breaker):
            alarms.append(
                f"{name}: {halted}; `afluente doctor` says what to mend, `afluente destination resume {name}` goes on"
            )
        full_seconds = max(destination.quota.full_seconds, destination.quota.blocked_seconds)
        if full_seconds > LONG_FULL_SECONDS and (waits := why_quota_waits(destination)):
            alarms.append(f"{name}: {waits}")
        if destination.quota.factor < SLOWED_BELOW:
            alarms.append(
                f"{name}: slowed down to {destination.quota.factor:.0%} of its rate, because it refused calls"
            )
    if reading.memory_limit_bytes and reading.memory_bytes > REDIS_MEMORY_SHARE * reading.memory_limit_bytes:
        alarms.append(f"redis: {reading.memory_bytes} of {reading.memory_limit_bytes} bytes are used; give it more")
    if reading.evicted_keys:
        alarms.append("redis: it evicts keys, which deletes queued messages; set maxmemory-policy noeviction")
    return alarms
