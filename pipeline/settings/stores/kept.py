"""Secrets as they were last read. Who has a value goes on with it, whatever becomes of its store.

A value is read when it is first asked for. From then on whoever asks gets what is kept, at once; once it is older than
`REFRESH_SECONDS` (or half of its lease) it is read again by a thread beside. What replaces it does not push it out:
for `OVERLAP_SECONDS` both are given, the newest first, as the other side may not have changed over yet.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec

from pipeline.errors import place_of
from pipeline.logs import get_logger
from pipeline.settings.stores.found import FoundSecret, SecretUnavailableError

REFRESH_SECONDS = 300.0
OVERLAP_SECONDS = 600.0
ALARM_AFTER = timedelta(hours=4)  # of a store that is away: from then on it is an alarm
_SHORTEST_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0  # between two attempts at a store that is away
_RENEWAL_SECONDS = 60.0  # a reading that somebody else's request brings about comes at most this often
_JITTER = 0.2
_log = get_logger(__name__)


class Standing(msgspec.Struct, frozen=True):
    """What is known of a kept secret, without its value. `trouble`: why the last reading failed, since `failing_since`;
    `is_refused`: the store is there and will say the same until somebody acts."""

    reference: str
    version: str | None
    fetched_at: datetime | None
    expires_at: datetime | None
    trouble: str | None
    failing_since: datetime | None
    is_refused: bool

    def is_alarming(self, now: datetime) -> bool:
        """Whether somebody must act, though what is kept still serves."""
        if self.trouble is None or self.failing_since is None:
            return False
        return self.is_refused or self.fetched_at is None or now - self.failing_since >= ALARM_AFTER


class Kept:
    """One secret of this process. All of it is under the guard of its keeper, but for the reading itself."""

    def __init__(self, reference: str, fetch: Callable[[], FoundSecret]) -> None:
        self.reference = reference
        self.fetch = fetch
        self.reading = threading.Lock()
        self.current: FoundSecret | None = None
        self.previous: FoundSecret | None = None
        self.replaced_at = 0.0
        self.read_at = -_LONGEST_PAUSE_SECONDS  # the last attempt, in monotonic seconds as all here
        self.renewed_at = -_RENEWAL_SECONDS
        self.next_at = 0.0
        self.failures = 0
        self.trouble: SecretUnavailableError | None = None
        self.failing_since: datetime | None = None
        self.is_alarmed = False

    def values(self, now: float) -> list[str]:
        given = [self.current] if self.current else []
        if self.previous is not None and now - self.replaced_at < OVERLAP_SECONDS:
            given.append(self.previous)
        return [secret.value for secret in given]


class SecretKeeper:
    """The kept secrets of this process. Safe to share between threads, and outlives a fork."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], Kept] = {}
        self._waiting: dict[str, deque[Kept]] = {}  # by the kind of store: one that hangs is in nobody else's way
        self._guard = threading.Lock()

    def values(self, reference: str, told: str, fetch: Callable[[], FoundSecret], *, is_near: bool) -> list[str]:
        """The secret's values, the newest first. `told` is all that the store is reached by: where that is another, it
        is another secret; a digest, as it may hold one. `is_near`: reading costs nothing, so it is read each time.

        Raises SecretUnavailableError where there is none yet: it cannot be read, or nobody may wait for it here, as
        this is an event loop; then it is on its way.
        """
        kept = self._find(reference, told, fetch)
        now = self._clock()
        if is_near:
            self._read(kept, now)
        elif kept.current is None:
            if _is_in_event_loop():
                self._read_soon(kept)
            elif kept.trouble is None or now >= kept.next_at:
                self._read(kept, now)
        elif now >= kept.next_at:
            self._read_soon(kept)
        with self._guard:
            if kept.current is None:
                if kept.trouble is None:
                    raise SecretUnavailableError(f"the secret {reference} is being read for the first time")
                raise SecretUnavailableError(str(kept.trouble), is_refused=kept.trouble.is_refused)
            return kept.values(self._clock())

    def renew(self, reference: str, told: str, fetch: Callable[[], FoundSecret]) -> bool:
        """Read it now, as somebody else says that it has changed; gives whether it has. At most once a minute, as
        strangers may say so. Waits for the store, so in an event loop nothing is read. Raises nothing."""
        kept = self._find(reference, told, fetch)
        if _is_in_event_loop():
            return False
        now = self._clock()
        with self._guard:
            if now - kept.renewed_at < _RENEWAL_SECONDS:
                return False
            kept.renewed_at = now
            before = kept.current
        self._read(kept, now)
        with self._guard:
            return kept.current is not None and (before is None or kept.current.value != before.value)

    def standings(self) -> list[Standing]:
        """Of every secret that this process was asked for, by its reference."""
        with self._guard:
            return [_standing(kept) for _, kept in sorted(self._kept.items())]

    def _find(self, reference: str, told: str, fetch: Callable[[], FoundSecret]) -> Kept:
        with self._guard:
            kept = self._kept.get((reference, told))
            if kept is None:
                kept = self._kept[reference, told] = Kept(reference, fetch)
            return kept

    def _read(self, kept: Kept, asked_at: float) -> None:
        """One reading at a time; who waited for another's takes its outcome."""
        with kept.reading:
            if kept.read_at > asked_at:
                return
            try:
                found = _without_blanks(kept.fetch(), kept.reference)
            except SecretUnavailableError as error:
                self._note_trouble(kept, error)
            except Exception as error:  # noqa: BLE001 - a bug in reading one must not end the reading of all
                self._note_trouble(kept, SecretUnavailableError(f"the secret {kept.reference}: {place_of(error)}"))
            else:
                self._take(kept, found)

    def _take(self, kept: Kept, found: FoundSecret) -> None:
        with self._guard:
            now = kept.read_at = self._clock()
            was_away, former = kept.trouble is not None, kept.current
            is_new = former is not None and former.value != found.value
            if is_new:
                kept.previous, kept.replaced_at = former, now
            kept.current, kept.trouble, kept.failing_since, kept.failures = found, None, None, 0
            kept.is_alarmed = False
            kept.next_at = now + _pause(found)
        if is_new:
            _log.info("secret_changed", reference=kept.reference, version=found.version)
        elif was_away:
            _log.info("secret_read_again", reference=kept.reference)

    def _note_trouble(self, kept: Kept, error: SecretUnavailableError) -> None:
        with self._guard:
            now = kept.read_at = self._clock()
            is_first = kept.trouble is None
            kept.trouble, kept.failing_since = error, kept.failing_since or datetime.now(UTC)
            kept.next_at = now + min(_SHORTEST_SECONDS * 2**kept.failures, _LONGEST_PAUSE_SECONDS)
            kept.failures = min(kept.failures + 1, 10)
            has_value = kept.current is not None
            is_alarm = not kept.is_alarmed and _standing(kept).is_alarming(datetime.now(UTC))
            kept.is_alarmed = kept.is_alarmed or is_alarm
        if is_alarm:
            _log.error("secret_not_read", reference=kept.reference, reason=str(error), has_value=has_value)
        elif is_first:
            _log.warning("secret_not_read", reference=kept.reference, reason=str(error), has_value=has_value)

    def _read_soon(self, kept: Kept) -> None:
        """By a thread beside, one for each kind of store, which ends when nothing is left to read."""
        kind = kept.reference.partition(":")[0]
        with self._guard:
            waiting = self._waiting.get(kind)
            if waiting is not None:
                if kept not in waiting:
                    waiting.append(kept)
                return
            self._waiting[kind] = deque([kept])
        threading.Thread(target=self._read_waiting, args=(kind,), name=f"secrets-{kind}", daemon=True).start()

    def _read_waiting(self, kind: str) -> None:
        while True:
            with self._guard:
                if not self._waiting[kind]:
                    del self._waiting[kind]
                    return
                kept = self._waiting[kind][0]  # stays there meanwhile: who asks now need not ask again
            try:
                if self._clock() >= kept.next_at:
                    self._read(kept, self._clock())
            finally:
                with self._guard:
                    self._waiting[kind].popleft()

    def begin_in_child(self) -> None:
        """After a fork: threads of the parent are not there, and what they held is held by nobody."""
        self._guard = threading.Lock()
        self._waiting = {}
        for kept in self._kept.values():
            kept.reading = threading.Lock()


@cache
def secret_keeper() -> SecretKeeper:
    """The keeper of this process, and of those that it forks."""
    return SecretKeeper()


def _begin_in_child() -> None:
    if secret_keeper.cache_info().currsize:
        secret_keeper().begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)


def _without_blanks(found: FoundSecret, reference: str) -> FoundSecret:
    """The line end that an editor or a shell put behind it is not of it. Raises SecretUnavailableError if that is all
    there is."""
    value = found.value.strip()
    if not value:
        raise SecretUnavailableError(f"the secret {reference} is empty", is_refused=True)
    return found if value == found.value else msgspec.structs.replace(found, value=value)


def _pause(found: FoundSecret) -> float:
    """Seconds until it is read again, spread so that many processes do not ask at once."""
    most = REFRESH_SECONDS if found.lease_seconds is None else min(REFRESH_SECONDS, found.lease_seconds / 2)
    return max(most, _SHORTEST_SECONDS) * random.uniform(1 - _JITTER, 1)  # noqa: S311 - spreads load


def _standing(kept: Kept) -> Standing:
    current, trouble = kept.current, kept.trouble
    return Standing(
        reference=kept.reference,
        version=current.version if current else None,
        fetched_at=current.fetched_at if current else None,
        expires_at=current.expires_at if current else None,
        trouble=str(trouble) if trouble else None,
        failing_since=kept.failing_since,
        is_refused=trouble.is_refused if trouble else False,
    )


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
