"""One source's calls for records: within the quota that all processes share, each with what its answer means."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from connectors.kit.http import session
from connectors.kit.sources.fetching.addresses import target_of
from connectors.kit.sources.fetching.answers import fetch_record
from pipeline.access.fetches import FetchSetup
from pipeline.delivery.governor import Governor
from pipeline.delivery.shared_state import shared_redis
from pipeline.errors import QuotaError, TransientError
from pipeline.intake.arrivals import JSON
from pipeline.records import FETCHED_INTO, Envelope
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings

_CALL_SECONDS = 10.0
_PATIENCE_SECONDS = 2.0  # for the quota; a longer wait is the sweep's


class WaitingForQuotaError(QuotaError):
    """Our own quota of the source is used up for the moment: nobody was called."""


class FetchCalls:
    """Reads records of one source. Use it as a context manager; not shared between threads."""

    def __init__(self, known: Settings, slug: str, setup: FetchSetup) -> None:
        self._setup = setup
        self._what = f"source {slug}"
        self.made = 0  # calls
        self._governor = Governor(shared_redis(known.broker_url))
        self._http = session(
            setup.base or setup.fetch.url,
            timeout_seconds=_CALL_SECONDS,
            answer_seconds=_CALL_SECONDS,
            max_answer_bytes=setup.fetch.max_answer_bytes,
            reach=reach_of_source(known, slug),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def read(self, record: dict[str, Any]) -> Envelope:
        """What the source has under the id that came. Raises as `fetch_record` and `target_of` do, and
        WaitingForQuotaError."""
        setup = self._setup
        target = target_of(setup.fetch, record, setup.options, base=setup.base)  # first: it takes no call
        self._take()
        self.made += 1
        try:
            body = fetch_record(setup.fetch, target, access=setup.access, http=self._http, what=self._what)
        except QuotaError as error:
            self._governor.slow_down(setup.account, error.retry_after)
            raise
        origin = {"via": "fetch", "fetched_at": datetime.now(UTC).isoformat(timespec="seconds")}
        if setup.fetch.into is not None:
            origin[FETCHED_INTO] = setup.fetch.into
        return Envelope(JSON, body, {}, origin)

    def _take(self) -> None:
        """One call of the quota. Without Redis nobody calls, and that is nobody's failure."""
        until = time.monotonic() + _PATIENCE_SECONDS
        rate = self._setup.rate
        burst = max(1, min(self._setup.fetch.burst, int(rate)))
        while True:
            try:
                wait = self._governor.take(self._setup.account, rate=rate, burst=burst).wait
            except TransientError as error:
                raise WaitingForQuotaError(str(error), retry_after=1.0) from error
            if not wait:
                return
            if time.monotonic() + wait > until:
                raise WaitingForQuotaError(f"{self._what}: waits for its quota", retry_after=wait)
            time.sleep(wait)
