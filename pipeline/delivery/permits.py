"""The right to call a destination, shared by all workers: the breaker says whether, the governor says when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from connectors.kit import Usage
from pipeline.access.destinations import has_others
from pipeline.delivery.breaker import Breaker
from pipeline.delivery.governor import Governor
from pipeline.delivery.grants import Grants
from pipeline.delivery.shared_state import shared_redis
from pipeline.delivery.writers import OpenWriter, close_writer, open_writer
from pipeline.errors import ConfigurationError, QuotaError, TerminalError, TransientError
from pipeline.logs import get_logger
from pipeline.settings.loading import settings
from pipeline.targets import Target

_HALT_SECONDS = 60.0  # after a human is needed, one probe a minute sees that the remedy works
_REDIS_AWAY_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0  # after a call that failed as a whole; the breaker paces what lasts longer
_REASON_LENGTH = 300

Shared = TypeVar("Shared")

_log = get_logger(__name__)


class CallPermits:
    """One worker's permits to call one destination. Nothing here raises for what the CRM or Redis does."""

    def __init__(self, target: Target, *, is_hot: bool, probe_seconds: float) -> None:
        client = shared_redis(settings().broker_url)
        self._target = target
        self._destination = target.destination
        self._probe_seconds = probe_seconds
        self._breaker = Breaker(client)
        self._grants = Grants(Governor(client), is_hot=is_hot)
        self.waits_for: str | None = None  # why the latest answer was to wait

    def acquire(self) -> tuple[OpenWriter | None, float]:
        """The writer with the calls of one write granted, or None and the seconds to wait before asking again."""
        try:
            wait = self._breaker.ask(self._destination, probe_seconds=self._probe_seconds)
            if wait > 0:
                self.waits_for = self._breaker.state(self._destination).reason
                return None, wait
            try:
                writer = open_writer(self._target)
            except (ConfigurationError, TerminalError) as error:
                return None, self._change_secrets(error) or self._halt(error)
            wait = self._grants.begin(writer)
            if wait > 0:
                self.waits_for = self._grants.waits_for
                self._breaker.decline(self._destination)
                return None, wait
        except TransientError as error:
            self.waits_for = reason_of(error)
            _log.warning("delivery_waits", destination=self._destination, reason=self.waits_for)
            return None, error.retry_after or _REDIS_AWAY_SECONDS
        return writer, 0.0

    def acquire_again(self, writer: OpenWriter, *, until: float) -> bool:
        """One more write for the same claim: waits for the quota, but lets none begin that may end after `until`
        (monotonic seconds)."""
        try:
            while (wait := self._grants.take_for_write()) > 0:
                if time.monotonic() + wait + writer.timeout_seconds > until:
                    return False
                time.sleep(wait)
        except TransientError:
            return False
        return time.monotonic() + writer.timeout_seconds <= until

    def put_back(self) -> None:
        """There was nothing to send: the calls are another worker's, and so is the probe."""
        self._share(lambda: self._grants.end(was_written=False))
        self._share(lambda: self._breaker.decline(self._destination))

    def report(self, trouble: Exception | None, usage: Usage) -> float:
        """Let all workers know how the calls of a claim ended. Returns the seconds to leave the destination alone."""
        name = self._destination
        self._share(lambda: self._grants.observe(usage))
        self._share(lambda: self._grants.end(was_written=True))
        if isinstance(trouble, TerminalError | ConfigurationError):
            return self._change_secrets(trouble) or self._halt(trouble)
        if isinstance(trouble, TransientError):
            reason = self.waits_for = reason_of(trouble)
            if self._share(lambda: self._breaker.failure(name, reason)):
                _log.warning("destination_halted", destination=name, reason=reason)
            own = random.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)  # noqa: S311 - spreads load
            return max(trouble.retry_after or 0.0, own)
        # It answered: a refusal for want of quota is an answer too.
        if self._share(lambda: self._breaker.success(name)):
            _log.warning("destination_resumed", destination=name)
        if isinstance(trouble, QuotaError):
            error = trouble
            self.waits_for = reason_of(error)
            return self._share(lambda: self._grants.refused(error)) or error.retry_after
        return 0.0

    def _change_secrets(self, trouble: Exception) -> float:
        """Seconds until a call with other secrets, where it may be that the CRM does not take those any more; 0 where
        there are no others."""
        if not has_others(settings(), self._destination):
            return 0.0
        close_writer(self._destination)
        self._share(lambda: self._breaker.decline(self._destination))
        self.waits_for = reason_of(trouble)
        _log.info("destination_secrets_changed", destination=self._destination)
        return _SHORTEST_PAUSE_SECONDS

    def _halt(self, error: Exception) -> float:
        close_writer(self._destination)  # the next probe reads the secrets anew
        reason = self.waits_for = reason_of(error)
        if self._share(lambda: self._breaker.halt(self._destination, _HALT_SECONDS, reason)):
            _log.warning("destination_halted", destination=self._destination, reason=reason, seconds=_HALT_SECONDS)
        return _HALT_SECONDS

    def _share(self, say: Callable[[], Shared]) -> Shared | None:
        """What Redis answers; None without it: a call that was made must still be recorded in the database."""
        try:
            return say()
        except TransientError:
            _log.warning("shared_state_not_told", destination=self._destination)
            return None


def reason_of(error: Exception) -> str:
    """What `last_error` and `status` show of an error; errors of the house hold no value of a lead."""
    return str(error)[:_REASON_LENGTH]
