"""Checks of access: keys that are about to end, and the audit log's heads outside the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pipeline.audit.anchors import read_anchors
from pipeline.errors import AfluenteError, ConfigurationError
from pipeline.health.checks import Check, failed, passed
from pipeline.settings.loading import Settings
from pipeline.store.audit.entries import stream_entries
from pipeline.store.engine import transaction
from pipeline.store.service_keys.keys import StoredKey, read_keys

_WARN_BEFORE = timedelta(days=14)
_LONGEST_WITHOUT_HEAD = timedelta(days=2)


def check_access(known: Settings) -> Iterator[Check]:
    """Left out where the database does not answer: its own check says so."""
    try:
        with transaction(synchronous=False) as connection:
            keys = read_keys(connection, only_live=True)
            begun = next(iter(stream_entries(connection, until=datetime.now(UTC) - _LONGEST_WITHOUT_HEAD)), None)
    except AfluenteError:
        return
    yield _check_keys(keys)
    if begun is not None:  # a log of today has no head outside yet: one is written down a day
        yield _check_heads(known)


def _check_keys(keys: list[StoredKey]) -> Check:
    soon = datetime.now(UTC) + _WARN_BEFORE
    ending = [key for key in keys if key.expires_at is not None and key.expires_at <= soon]
    if not ending:
        return passed("service keys", f"{len(keys)}")
    told = ", ".join(f"{key.key_id} ({key.name}) on {key.expires_at:%Y-%m-%d}" for key in ending)
    remedy = "make another with `afluente keys create`, give it to the program, then `afluente keys revoke` the old one"
    return failed("service keys", f"end within two weeks: {told}", remedy)


def _check_heads(known: Settings) -> Check:
    try:
        anchors = read_anchors(known)
    except ConfigurationError as error:
        return failed("audit heads", str(error), "do as the message says")
    place = known.audit_anchor
    if not anchors or max(anchor.at for anchor in anchors) < datetime.now(UTC) - _LONGEST_WITHOUT_HEAD:
        remedy = "see that the node `ops` can write there, or set audit.anchor; `afluente audit anchor` writes now"
        return failed("audit heads", f"the audit log's heads were not written into {place} for two days", remedy)
    return passed("audit heads", f"{len(anchors)} in {place}")
