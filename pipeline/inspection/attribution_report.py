"""The credit for people divided among what led there: by channel, campaign or source, in a period, by some models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import UsageError
from pipeline.inspection.names import check_brand
from pipeline.stages.attribution.models import HALF_LIFE_DAYS, MODELS, AttributionTable, tabulate
from pipeline.store.people.attribution_report import GROUPINGS, stream_paths

if TYPE_CHECKING:
    from sqlalchemy import Connection

ALL = "all"


class ReportQuestion(msgspec.Struct, frozen=True):
    """What is asked. `by` is one of GROUPINGS; `since` and `until` are the first and the last day, in UTC.

    `half_life_days` is for `time_decay`; `ignore_direct` gives Direct no credit beside another touch.
    """

    by: str
    since: date | None = None
    until: date | None = None
    brand: str | None = None
    half_life_days: float = HALF_LIFE_DAYS
    ignore_direct: bool = False

    def check(self) -> None:
        """Raises UsageError for what no database could answer."""
        if self.by not in GROUPINGS:
            raise UsageError(f"{self.by!r} is not known; allowed: {', '.join(GROUPINGS)}", argument="by")
        if self.since and self.until and self.until < self.since:
            raise UsageError(f"{self.until} is before the first day, {self.since}", argument="until")
        if not (math.isfinite(self.half_life_days) and self.half_life_days > 0):
            raise UsageError(f"{self.half_life_days}: a half-life is more than 0 days", argument="half_life")


def report_attribution(connection: Connection, models: Sequence[str], question: ReportQuestion) -> AttributionTable:
    """Credit by name for every model. Reads all touches, a person at a time: give a connection without a limit of time.

    Raises UsageError, also for a brand that there is not.
    """
    question.check()
    check_brand(connection, question.brand)
    paths = stream_paths(
        connection,
        by=question.by,
        since=_midnight(question.since),
        until=_midnight(_day_after(question.until)),
        brand=question.brand,
    )
    return tabulate(paths, models, half_life_days=question.half_life_days, ignore_direct=question.ignore_direct)


def find_models(name: str) -> tuple[str, ...]:
    """The model of this name, or every one for `all`. Raises UsageError."""
    known = name.strip().lower().replace("-", "_")
    if known == ALL:
        return MODELS
    if known not in MODELS:
        raise UsageError(f"{name!r} is not known; allowed: {', '.join(MODELS)}, {ALL}", argument="model")
    return (known,)


def _day_after(day: date | None) -> date | None:
    """None also for the last day of all: the one after it cannot be written, and nothing is that late."""
    return None if day is None or day == date.max else day + timedelta(days=1)


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
