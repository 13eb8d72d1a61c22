"""History by the rules of now, as somebody asks for it: golden records, who is who, channels, settled leads. Safe
beside workers, and to run again after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipeline.hints import hint_all
from pipeline.inspection.names import check_brand, check_source
from pipeline.recompute import people, settled_leads
from pipeline.recompute.golden_records import Renewed, renew_golden_records
from pipeline.recompute.people import RecomputedPeople
from pipeline.recompute.replay_report import Replayed
from pipeline.store.engine import transaction


def renew_people(
    *,
    brand: str | None = None,
    is_dry_run: bool = False,
    on_progress: Callable[[Renewed, int], None] = lambda _done, _people: None,
) -> Renewed:
    """Make golden records anew by the mappings and the survivorship of now. A dry run writes nothing.

    `on_progress` hears what has been done so far, and how many people there are. Raises UsageError for a brand that
    there is not, TransientError if the database stays away; what is done stays done.
    """
    _check_brand(brand)
    done = renew_golden_records(brand=brand, is_dry_run=is_dry_run, on_progress=on_progress)
    if done.changed and not is_dry_run:
        hint_all()
    return done


def recompute_people(
    *,
    brand: str | None = None,
    is_dry_run: bool = False,
    on_refiling: Callable[[int, int], None] = lambda _done, _pieces: None,
    on_filing: Callable[[int, int], None] = lambda _done, _events: None,
    on_progress: Callable[[RecomputedPeople, int], None] = lambda _done, _pieces: None,
) -> RecomputedPeople:
    """Find out anew who is who, as `recompute.people.recompute_people` does, whose callbacks and errors these are.

    Raises UsageError for a brand that there is not.
    """
    _check_brand(brand)
    return people.recompute_people(
        brand=brand, is_dry_run=is_dry_run, on_refiling=on_refiling, on_filing=on_filing, on_progress=on_progress
    )


def replay_settled(
    *,
    source: str,
    brand: str | None = None,
    since: datetime | None = None,
    is_dry_run: bool = False,
    on_progress: Callable[[Replayed, int], None] = lambda _done, _leads: None,
) -> Replayed:
    """Let settled leads of a source say what its mapping of now reads, as `recompute.settled_leads.replay_settled`
    does, whose callback and errors these are. Deliveries that follow are hinted at.

    Raises UsageError for a source or a brand that there is not.
    """
    check_source(source)
    _check_brand(brand)
    done = settled_leads.replay_settled(
        source=source, brand=brand, since=since, is_dry_run=is_dry_run, on_progress=on_progress
    )
    if done.deliveries and not is_dry_run:
        hint_all()
    return done


def _check_brand(brand: str | None) -> None:
    with transaction(timeout_seconds=0) as connection:
        check_brand(connection, brand)
