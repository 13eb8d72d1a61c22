"""What the rules would retire now, if all of them were approved, and what a hold or a restriction keeps. Changes
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.privacy.retention.expiry import expired_people
from pipeline.privacy.retention.plan import Standing, age_rules, moment_of_ages, standings
from pipeline.records.base import Fact
from pipeline.settings.loading import settings
from pipeline.settings.retention_settings import LOGS, PEOPLE, STARTS
from pipeline.store.retention import retiring
from pipeline.store.retention import rules as stored

_AT_ONCE = 5_000  # people


class Going(Fact, frozen=True):
    """Of a class, a brand and a source: how many would go, and how many old ones stay for a hold or a restriction."""

    what: str
    brand: str
    source: str
    going: int
    kept: int


class RuleNow(Fact, frozen=True):
    """A rule as the settings say it. `in_force_seconds` None: nothing goes by it yet. `waits`: to be approved."""

    rule: str
    seconds: int
    in_force_seconds: int | None
    waits: bool


class Preview(Fact, frozen=True):
    rules: list[RuleNow]
    going: list[Going]
    retired: list[Going]  # `going`: how many went so far


def preview(connection: Connection, *, now: datetime | None = None) -> Preview:
    """Looks at everything that could be old: takes as long as that is much. `now`: the moment that ages count to."""
    found = standings(settings().retention, stored.read_approved(connection))
    rules = [
        RuleNow(standing.rule.name, standing.wanted_seconds, standing.seconds, standing.waits) for standing in found
    ]
    rules += [  # lines of logs go without anybody's word: nothing of them is in the database
        RuleNow(rule.name, round(rule.length.total_seconds()), round(rule.length.total_seconds()), waits=False)
        for rule in settings().retention
        if rule.what == LOGS
    ]
    now = now or moment_of_ages(connection)
    going = [
        Going(what, *count)
        for what in sorted({standing.rule.what for standing in found} - {PEOPLE})
        for count in retiring.count_old(connection, what, age_rules(found, what, now, is_wanted=True))
    ]
    going += _people(connection, found, now)
    retired = [
        Going(what, brand, source, count, 0)
        for what, counts in sorted(stored.read_retired(connection).items())
        for (brand, source), count in sorted(counts.items())
    ]
    return Preview(rules, sorted(going, key=lambda one: (one.what, one.brand, one.source)), retired)


def _people(connection: Connection, found: Sequence[Standing], now: datetime) -> list[Going]:
    counts: dict[str, list[set[UUID]]] = {}
    for start in STARTS:
        rules = age_rules(found, PEOPLE, now, start=start, is_wanted=True)
        for place, is_kept in enumerate((False, True)):
            after: UUID | None = retiring.NOBODY
            while after is not None:
                page = expired_people(
                    connection, rules, start=start, after=after, limit=_AT_ONCE, is_kept=is_kept, now=now
                )
                for person_id, brand in page.people:
                    counts.setdefault(brand, [set(), set()])[place].add(person_id)
                after = page.last
    return [Going(PEOPLE, brand, "", len(going), len(kept)) for brand, (going, kept) in counts.items()]
