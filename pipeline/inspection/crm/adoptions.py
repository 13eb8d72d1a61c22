"""`afluente destination adopt` and `pairs`: whom a CRM has already, and whom it has twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import UsageError
from pipeline.settings.loading import settings
from pipeline.store.deliveries.crm_records import Pair, list_pairs
from pipeline.store.engine import transaction

if TYPE_CHECKING:
    from pipeline.delivery.adoption import Adopted, Progress
    from pipeline.settings.declarations import DestinationSettings


class PairList(msgspec.Struct, frozen=True):
    """People with several records, within the limit; `people` is the number of all."""

    people: int
    pairs: list[Pair]


def adopt(
    name: str, *, is_dry_run: bool = False, on_progress: Callable[[Progress], None] = lambda _progress: None
) -> Adopted:
    """Read whom a destination has, as `delivery.adoption.adopt_people` does; a disabled one too. Workers are told of
    what is due by it. Raises UsageError for a destination that there is not, and as `adopt_people` does."""
    from pipeline.delivery.adoption import adopt_people
    from pipeline.hints import hint_all

    configured = _known(name)
    brands = sorted(settings().brands) if configured.brands is None else sorted(configured.brands)
    adopted = adopt_people(name, brands, is_dry_run=is_dry_run, on_progress=on_progress)
    if not is_dry_run:
        hint_all()
    return adopted


def read_pairs(name: str, *, limit: int) -> PairList:
    """Whom a destination has several records of, as it was last read. Raises UsageError as `adopt` does."""
    _known(name)
    with transaction(timeout_seconds=0) as connection:
        pairs, people = list_pairs(connection, name, limit=limit)
    return PairList(people, pairs)


def _known(name: str) -> DestinationSettings:
    known = settings().destinations
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(f"there is no destination {name!r} in afluente.yaml; known: {names}")
    return known[name]
