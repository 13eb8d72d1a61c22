"""How the secrets of afluente.yaml stand: which cannot be read, which end soon. Nothing here shows a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Thread

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, failed, passed
from pipeline.settings.loading import Settings
from pipeline.settings.secret_settings import references_in
from pipeline.settings.secrets import STORES, Reference
from pipeline.settings.stores.kept import Standing, secret_keeper
from pipeline.values.counting import counted

WARNING_DAYS = (30, 14, 7, 1)  # before the end of a secret: from each on, the warning says less time
_READING_SECONDS = 15.0  # for all stores at once
_REMEDY = "docs/secrets.md says how each kind of secret is replaced without a gap"


class SecretStanding(msgspec.Struct, frozen=True):
    """A secret by its reference: until when it serves, as its store or `secrets.expires` says, and why it could not be
    read, if so."""

    reference: str
    expires_at: datetime | None
    trouble: str | None = None
    failing_since: datetime | None = None
    is_alarming: bool = False

    def days_left(self, now: datetime) -> float | None:
        return None if self.expires_at is None else (self.expires_at - now) / timedelta(days=1)

    def notice(self, now: datetime) -> str | None:
        """That it ends soon or has ended, in words; None while there is time."""
        left = self.days_left(now)
        if left is None or left > WARNING_DAYS[0]:
            return None
        if left <= 0:
            return f"{self.reference} ended on {self.expires_at:%Y-%m-%d}"
        within = min(days for days in WARNING_DAYS if left <= days)
        return f"{self.reference} ends on {self.expires_at:%Y-%m-%d}, within {counted(within, 'day')}"


def read_stores(known: Settings, *, timeout_seconds: float = _READING_SECONDS) -> None:
    """Ask each store once for what the settings refer to, all stores at the same time. Raises nothing; what is not
    there in time comes later."""
    by_store: defaultdict[str, list[Reference]] = defaultdict(list)
    for place in references_in(known):
        if place.kind in STORES:
            by_store[place.kind].append(place)
    readers = [
        Thread(target=_read, args=(known, places), name=f"secrets-{kind}", daemon=True)
        for kind, places in by_store.items()
    ]
    deadline = datetime.now(UTC) + timedelta(seconds=timeout_seconds)
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(max(0.0, (deadline - datetime.now(UTC)).total_seconds()))


def standings(known: Settings) -> list[SecretStanding]:
    """As this process knows them, without asking anybody."""
    now, ends = datetime.now(UTC), known.secrets.expiries()
    kept = {standing.reference: standing for standing in secret_keeper().standings()}
    places = {place.text for place in references_in(known)}
    return [_standing(place, kept.get(place), ends.get(place), now) for place in sorted({*places, *kept, *ends})]


def find_ending(known: Settings) -> list[str]:
    """Sentences about secrets that end soon, or that cannot be read, by what this process knows."""
    now = datetime.now(UTC)
    found = standings(known)
    ending = [notice for standing in found if (notice := standing.notice(now))]
    return [*ending, *(standing.trouble for standing in found if standing.is_alarming and standing.trouble)]


def check_stored_secrets(known: Settings) -> Iterator[Check]:
    """Of `doctor`: every store is asked."""
    read_stores(known)
    now, found = datetime.now(UTC), standings(known)
    stored = [standing for standing in found if standing.reference.partition(":")[0] in STORES]
    for standing in stored:
        if standing.trouble is not None:
            remedy = "running processes go on with what they read before; one that starts now has nothing"
            yield failed("secrets", standing.trouble, remedy)
    ending = [notice for standing in found if (notice := standing.notice(now))]
    for notice in ending:
        yield failed("secrets", notice, _REMEDY)
    if stored and not ending and all(standing.trouble is None for standing in stored):
        yield passed("secrets", f"{counted(len(stored), 'secret')} can be read where they are stored")


def _read(known: Settings, places: list[Reference]) -> None:
    for place in places:
        with suppress(ConfigurationError):  # the keeper knows why
            place.values(known.environ)


def _standing(reference: str, kept: Standing | None, ends: datetime | None, now: datetime) -> SecretStanding:
    known = [at for at in (ends, kept.expires_at if kept else None) if at is not None]
    return SecretStanding(
        reference=reference,
        expires_at=min(known, default=None),
        trouble=kept.trouble if kept else None,
        failing_since=kept.failing_since if kept else None,
        is_alarming=kept.is_alarming(now) if kept else False,
    )
