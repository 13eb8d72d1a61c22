"""Of `doctor`: which keys of the index there are, whether one is missing, and whether a rotation was interrupted."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.store.engine import engine
from pipeline.store.keys import index_keys
from pipeline.store.keys.index_keys import IndexKeys
from pipeline.store.schema import is_current

_NAME = "index keys"
_RESTORE = "restore the tables keyring and index_keys from one backup, then `afluente privacy replay-ledger`"


def check_index_keys() -> Iterator[Check]:
    """Nothing where there is one key. It goes by what was noted, and by the suppressions."""
    keys = asked(_read)
    if isinstance(keys, str):
        yield failed(_NAME, keys, _RESTORE)
        return
    if keys is None or len(keys.all) == 1:
        return
    if keys.coming is not None or keys.leaving is not None:
        told = keys.coming or keys.current
        yield failed(
            _NAME,
            f"key {told.key_id} takes the place of another, and that has not ended",
            "`afluente keys rotate-index --go-on` ends it, unless it runs",
        )
        return
    kept = ", ".join(key.key_id for key in keys.all if key is not keys.current)
    yield passed(_NAME, f"people are found by {keys.current.key_id}; kept for suppressions: {kept}")


def _read(connection: Connection) -> IndexKeys | str | None:
    """Or what is wrong."""
    if not is_current(engine()):
        return None  # a check of its own says so
    try:
        index_keys.require_index_keys(connection)
        return index_keys.read(connection)
    except ConfigurationError as error:
        return str(error)
