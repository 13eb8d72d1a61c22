"""Rules as they stand and as they are in force. A rule that keeps for shorter than somebody approved waits for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from pipeline.records.base import Fact
from pipeline.settings.retention_settings import (
    ACTIVITY,
    BODIES,
    LOGS,
    PEOPLE,
    QUARANTINE,
    STATES,
    RetentionRule,
)
from pipeline.store.engine import server_time
from pipeline.store.retention.statements import AgeRule

_STATES_OF = {BODIES: STATES, QUARANTINE: ("quarantined",)}


class Standing(Fact, frozen=True):
    """A rule of the settings. `approved_seconds` None: nobody has approved it yet."""

    rule: RetentionRule
    approved_seconds: int | None

    @property
    def wanted_seconds(self) -> int:
        return int(self.rule.length.total_seconds())

    @property
    def waits(self) -> bool:
        """Whether somebody has to approve it: it is new, or keeps for shorter than before."""
        return self.approved_seconds is None or self.wanted_seconds < self.approved_seconds

    @property
    def seconds(self) -> int | None:
        """For how long it keeps now; None: it retires nothing yet."""
        return None if self.approved_seconds is None else max(self.wanted_seconds, self.approved_seconds)


def standings(rules: Sequence[RetentionRule], approved: Mapping[str, int]) -> list[Standing]:
    """Each rule with what was approved of it, by its name. Logs hold nobody's data: the supervisor begins them anew."""
    return [Standing(rule, approved.get(rule.name)) for rule in rules if rule.what != LOGS]


def moment_of_ages(connection: Connection) -> datetime:
    """The moment that ages count to: by this machine's clock or the database's, whichever is behind. What a clock that
    is ahead destroys does not come back. One statement."""
    return min(datetime.now(UTC), datetime.fromtimestamp(server_time(connection), UTC))


def age_rules(
    found: Sequence[Standing], what: str, now: datetime, *, start: str | None = None, is_wanted: bool = False
) -> list[AgeRule]:
    """What is retired of a class now; `is_wanted`: what would be if everything was approved."""
    ages = []
    for standing in found:
        rule = standing.rule
        seconds = standing.wanted_seconds if is_wanted else standing.seconds
        if rule.what != what or seconds is None or (what == PEOPLE and (rule.start or ACTIVITY) != start):
            continue
        cutoff = now - timedelta(seconds=seconds)
        states: Sequence[str | None] = (rule.state,) if rule.state else _STATES_OF.get(what, (None,))
        ages += [AgeRule(rule.brand, rule.source, state, cutoff, rule.purpose) for state in states]
    return ages
