"""Settled leads mapped anew, as somebody asks for it. Safe beside workers, and to run again after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipeline.hints import hint_all
from pipeline.inspection.names import check_brand, check_source
from pipeline.recompute import settled_leads
from pipeline.recompute.replay_report import Replayed
from pipeline.store.engine import transaction


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
    with transaction(timeout_seconds=0) as connection:
        check_brand(connection, brand)
    done = settled_leads.replay_settled(
        source=source, brand=brand, since=since, is_dry_run=is_dry_run, on_progress=on_progress
    )
    if done.deliveries and not is_dry_run:
        hint_all()
    return done
