"""Of `doctor`: which sealing keys are needed, and which can go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from pipeline.crypto.encryption import Cipher
from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.settings.loading import Settings
from pipeline.store.engine import engine
from pipeline.store.keys.in_use import read_droppable_keys, read_keys_in_use
from pipeline.store.schema import is_current

_SETTLING = timedelta(days=1)


def check_sealing_keys(known: Settings) -> Iterator[Check]:
    """Nothing where one key is set and needed. It goes by what was noted, and reads nothing that is sealed."""
    try:
        key_ids = Cipher(known.secret_keys()).key_ids
    except ConfigurationError:
        return  # check_keys tells
    found = asked(_read)
    if found is None:
        return
    needed, droppable = found
    for key_id in needed:
        if key_id not in key_ids:
            remedy = "add it to AFLUENTE_SECRET_KEYS after the newest; lost for good: `afluente keys reseal --give-up`"
            yield failed("sealing keys", f"key {key_id} sealed something that is stored, and is not set", remedy)
    for key_id in key_ids[1:]:
        if key_id in droppable:
            yield passed("sealing keys", _standing(key_id, droppable[key_id]))
        elif key_id in needed:
            yield passed("sealing keys", f"key {key_id} is still needed: `afluente keys reseal` ends that")


def _standing(key_id: str, since: datetime) -> str:
    """Processes that had not read the newest key, messages and sign-ins on their way have a day to end."""
    kept = "backups of before open with it alone"
    if datetime.now(UTC) < since + _SETTLING:
        return (
            f"key {key_id} can go from AFLUENTE_SECRET_KEYS after {since + _SETTLING:%Y-%m-%d %H:%M} (UTC) and one more"
            f" `afluente keys reseal`; {kept}"
        )
    return (
        f"key {key_id} can go from AFLUENTE_SECRET_KEYS once `afluente keys reseal --status` says so again: nothing"
        f" stored needed it on {since:%Y-%m-%d}; {kept}"
    )


def _read(connection: Connection) -> tuple[list[str], dict[str, datetime]] | None:
    if not is_current(engine()):
        return None  # a check of its own says so
    return read_keys_in_use(connection), read_droppable_keys(connection)
