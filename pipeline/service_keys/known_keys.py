"""The keys that a running process knows: those of AFLUENTE_API_KEYS, and those of the database as of a moment ago.

No request asks the database. A thread reads the few rows of live keys every two seconds, so that a revoked key opens
nothing after that. While the database is away the keys of before count: nothing can be stored or read with them.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable

from pipeline.errors import AfluenteError, place_of
from pipeline.logs import get_logger
from pipeline.service_keys.keys import api_key_of, digest_of, id_in
from pipeline.settings.declarations import ApiKey
from pipeline.settings.loading import Settings
from pipeline.store.engine import transaction
from pipeline.store.service_keys.keys import note_used, read_keys

REFRESH_SECONDS = 2.0
_NOBODY = bytes(32)
_log = get_logger(__name__)


class KnownKeys:
    """`on_change` is called in the thread whenever there are other keys than before, beginning with the first."""

    def __init__(self, settings: Settings, on_change: Callable[[], None] = lambda: None) -> None:
        self._first = settings.api_keys
        self._by_id: dict[str, ApiKey] = {}
        self._used: set[str] = set()
        self._noted: dict[str, int] = {}  # key -> day of which the database knows that it was used
        self._on_change = on_change
        self._is_told = True  # of which keys there are; it is told again until that succeeds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="known-keys", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def find(self, bearer: str) -> ApiKey | None:
        """The key that this text is; None for one that is not known, expired or revoked. Asks nobody."""
        digest = digest_of(bearer)
        key_id = id_in(bearer)
        if key_id is not None:
            known = self._by_id.get(key_id)
            is_it = hmac.compare_digest(known.digest if known else _NOBODY, digest)
            if known is not None and is_it:
                if known.expires_at is not None and known.expires_at.timestamp() <= time.time():
                    return None
                self._used.add(key_id)
                return known
        found: ApiKey | None = None
        for first in self._first:  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(first.digest, digest):
                found = first
        return found

    def refresh(self) -> None:
        """Read the keys there are now, and say which were used. Raises TransientError, ConfigurationError."""
        used, self._used = self._used, set()
        today = int(time.time() // 86_400)
        new = {key_id for key_id in used if self._noted.get(key_id) != today}
        try:
            with transaction(synchronous=False) as connection:
                if new:
                    note_used(connection, new)
                stored = read_keys(connection, only_live=True)
        except BaseException:
            self._used |= used
            raise
        self._noted.update(dict.fromkeys(new, today))
        by_id = {key.key_id: api_key_of(key) for key in stored}
        if by_id != self._by_id:
            self._by_id, self._is_told = by_id, False
        if not self._is_told:
            self._on_change()
            self._is_told = True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh()
            except AfluenteError:
                pass  # away: the keys of before count
            except Exception as error:  # noqa: BLE001 - leads are taken whatever this met
                _log.error("keys_not_read", place=place_of(error))
            self._stopping.wait(REFRESH_SECONDS)
