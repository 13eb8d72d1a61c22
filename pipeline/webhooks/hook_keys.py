"""Subscriptions stand as long as the API keys that made them do."""

from __future__ import annotations

import threading

from pipeline.errors import AfluenteError, place_of
from pipeline.logs import get_logger
from pipeline.service_keys.keys import api_key_of
from pipeline.settings.loading import Settings
from pipeline.store.engine import transaction
from pipeline.store.service_keys.keys import read_keys
from pipeline.store.webhooks import endpoints
from pipeline.webhooks.hooks import HOOK_PERMISSION

_AGAIN_SECONDS = 3.0  # while the database is away
_log = get_logger(__name__)


def judge_hooks(known: Settings) -> None:
    """Stop the subscriptions of keys that are gone, or that may not subscribe or serve their brands any more; go on
    with those whose key is back. A key of some sources stands for none: messages are of all sources.

    For a process that is told the keys: not all are. Raises TransientError."""
    with transaction() as connection:
        stored = map(api_key_of, read_keys(connection, only_live=True))
        owners = [key for key in (*known.api_keys, *stored) if key.may(HOOK_PERMISSION) and not key.sources]
        keys = [(key.name, key.brands or None) for key in owners]
        changed = endpoints.judge_hooks(connection, keys)
    for name, is_on in sorted(changed.items()):
        _log.warning("webhook_key_back" if is_on else "webhook_key_gone", endpoint=name)


class HookKeys:
    """A thread that compares subscriptions with the keys of this process once, as soon as the database answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hook-keys", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not (self._compare() or self._stopping.is_set()):
            self._stopping.wait(_AGAIN_SECONDS)

    def _compare(self) -> bool:
        try:
            judge_hooks(self._settings)
        except AfluenteError:
            return False
        except Exception as error:  # noqa: BLE001 - leads are taken whatever this met
            _log.error("hook_keys_not_compared", place=place_of(error))
            return False
        return True
