"""The rhythm of one source, learned from the minutes in which it was heard, and how unlikely a silence is by it.

Pure. docs/decisions/0033 says why it is done so and what simulated sources made of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

HOUR_MINUTES = 60
WINDOW_DAYS = 28  # four times each hour of the week
LONGEST_WINDOW_DAYS = 84  # of a source that is heard too seldom for four weeks to tell anything
LEAST_HEARD = 20  # minutes in which something came
LEAST_DAYS = 3
LEAST_SILENT_MINUTES = 15
_PRIOR_MINUTES = 120.0  # what is known of such hours of such days counts as two hours of this hour of the week
_RARE = 1e-3  # however seldom a source is heard, a silence must be as unlikely as this
_MINUTES_A_YEAR = 525_600
_LEVEL_DAYS = (1, 7)
_LEVEL_PRIOR = 3.0
_LEAST_BLOCKS = 7  # of days: fewer do not tell how evenly leads come
_EVEN, _MOST_EVEN = 0.4, 1 / 3
_LEAST_SHAPE = 0.5  # days of nothing and days of much: more spread is not believed
_OWN_SHARE = 1.3  # days are nearer to rates that they were a part of than to those of other days: squared, so much
_LEAST_VARIANCE = 0.05  # of the mean: where something comes in every minute, one without is no surprise


class Hour(NamedTuple):
    """An hour of a source: bit n of `heard` is set if something came in minute n, of `watched` if we were there to
    hear it. `at` is its beginning, aware, UTC."""

    at: datetime
    heard: int
    watched: int

    def after(self, moment: datetime) -> Hour:
        """Without the minutes up to the one of `moment`."""
        minutes = math.floor((moment - self.at).total_seconds() / 60) + 1
        mask = ~((1 << max(0, min(minutes, HOUR_MINUTES))) - 1)
        return Hour(self.at, self.heard & mask, self.watched & mask)

    def until(self, moment: datetime) -> Hour:
        """The minutes up to the one of `moment`, which is counted."""
        later = self.after(moment)
        return Hour(self.at, self.heard & ~later.heard, self.watched & ~later.watched)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a source is heard. `rates`: by hour of the week (from Monday 00:00 UTC), in heard minutes a watched
    minute, 0 where nothing is known; `mean` over all. A day brings what is expected of it times a factor of its own,
    spread as a gamma distribution of this `shape` (infinite: no day differs). Of the day of the last lead it is known
    what came (`heard_today`) and what was expected up to then.

    A silence is unusual once its surprise, the logarithm of one over its probability, is `needed`.
    """

    rates: tuple[float, ...]
    mean: float
    shape: float
    today: date
    heard_today: int
    expected_today: float
    needed: float

    def surprise(self, silence: Sequence[Hour]) -> float:
        """Of a silence that begins with the last lead, given as its hours."""
        return sum(self._of_day(day, expected) for day, expected in self._days(silence).items())

    def first_unusual(self, silence: Sequence[Hour]) -> datetime | None:
        """The minute in which a silence became unusual; None if it is not."""
        silent_minutes, surprise, day, expected = 0, 0.0, self.today, 0.0
        for hour in silence:
            if hour.at.date() != day:
                surprise += self._of_day(day, expected)
                day, expected = hour.at.date(), 0.0
            rate, watched = self.rates[hour_of_week(hour.at)], hour.watched.bit_count()
            at_end = surprise + self._of_day(day, expected + rate * watched)
            if at_end >= self.needed and silent_minutes + watched >= LEAST_SILENT_MINUTES:
                return self._minute(hour, silent_minutes, surprise, expected)
            silent_minutes += watched
            expected += rate * watched
        return None

    def _minute(self, hour: Hour, silent_minutes: int, surprise: float, expected: float) -> datetime | None:
        """Of an hour in whose minutes a silence becomes unusual, which it is."""
        rate = self.rates[hour_of_week(hour.at)]
        for minute in range(HOUR_MINUTES):
            if hour.watched >> minute & 1:
                silent_minutes += 1
                expected += rate
                is_unusual = surprise + self._of_day(hour.at.date(), expected) >= self.needed
                if is_unusual and silent_minutes >= LEAST_SILENT_MINUTES:
                    return hour.at + timedelta(minutes=minute)
        return None

    def _days(self, silence: Sequence[Hour]) -> dict[date, float]:
        days: dict[date, float] = {}
        for hour in silence:
            expected = self.rates[hour_of_week(hour.at)] * hour.watched.bit_count()
            days[hour.at.date()] = days.get(hour.at.date(), 0.0) + expected
        return days

    def _of_day(self, day: date, expected: float) -> float:
        """The surprise that nothing came of what was expected of a day, or of the rest of the first one."""
        if math.isinf(self.shape):
            return expected
        heard, before = (self.heard_today, self.expected_today) if day == self.today else (0, 0.0)
        return (self.shape + heard) * math.log1p(expected / (self.shape + before))

    def usual_seconds(self, now: datetime) -> float:
        """Between two leads: at this hour, if they come more than once in it, else over all hours."""
        return 60.0 / (self.rates[hour_of_week(now)] if self.is_of_this_hour(now) else self.mean)

    def is_of_this_hour(self, now: datetime) -> bool:
        """Whether `usual_seconds` speaks of this hour alone."""
        return self.rates[hour_of_week(now)] * HOUR_MINUTES >= 1


def hour_of_week(moment: datetime) -> int:
    return moment.weekday() * 24 + moment.hour


def learn(hours: Sequence[Hour], last_heard_at: datetime) -> Rhythm | None:
    """The rhythm before a silence that began at `last_heard_at`; None if too little is known.

    `hours` in the order of time. What is after the last lead is the silence itself, and teaches nothing.
    """
    window = _window([hour.until(last_heard_at) for hour in hours if hour.at <= last_heard_at], last_heard_at)
    heard = sum(hour.heard.bit_count() for hour in window)
    if heard < LEAST_HEARD or last_heard_at - window[0].at < timedelta(days=LEAST_DAYS):
        return None
    rates = _rates(window)
    mean = heard / sum(hour.watched.bit_count() for hour in window)
    level = min(_level(window, rates, last_heard_at, days) for days in _LEVEL_DAYS)
    shape, evenness = _spread(window, rates)
    today = [hour for hour in window if hour.at.date() == last_heard_at.date()]
    return Rhythm(
        rates=tuple(rate * level for rate in rates),
        mean=mean,
        shape=shape,
        today=last_heard_at.date(),
        heard_today=sum(hour.heard.bit_count() for hour in today),
        expected_today=level * _expected(today, rates),
        needed=math.log(max(1 / _RARE, mean * _MINUTES_A_YEAR)) * evenness,
    )


def _expected(hours: Sequence[Hour], rates: Sequence[float]) -> float:
    return sum(rates[hour_of_week(hour.at)] * hour.watched.bit_count() for hour in hours)


def _window(hours: Sequence[Hour], until: datetime) -> list[Hour]:
    """The last four weeks; of who is heard seldom as many more as it takes. What was heard was watched."""
    chosen: list[Hour] = []
    heard = 0
    for hour in reversed(hours):
        age = until - hour.at
        is_enough = age > timedelta(days=WINDOW_DAYS) and heard >= LEAST_HEARD
        if is_enough or age > timedelta(days=LONGEST_WINDOW_DAYS):
            break
        heard += hour.heard.bit_count()
        chosen.append(Hour(hour.at, hour.heard, hour.watched | hour.heard))
    return chosen[::-1]


def _rates(window: Sequence[Hour]) -> tuple[float, ...]:
    """By hour of the week, drawn to those of the same hour on working days or at weekends. Of an hour that was never
    watched on such a day nothing is expected."""
    weekly = _Counts(7 * 24)
    daily = _Counts(2 * 24)
    for hour in window:
        weekly.add(hour_of_week(hour.at), hour)
        daily.add(_hour_of_kind(hour.at.weekday(), hour.at.hour), hour)
    rates = []
    for number in range(7 * 24):
        kind = _hour_of_kind(*divmod(number, 24))
        prior = daily.heard[kind] / daily.watched[kind] if daily.watched[kind] else 0.0
        rates.append((weekly.heard[number] + _PRIOR_MINUTES * prior) / (weekly.watched[number] + _PRIOR_MINUTES))
    return tuple(rates)


class _Counts:
    """Minutes heard and watched, by number."""

    def __init__(self, length: int) -> None:
        self.heard = [0] * length
        self.watched = [0] * length

    def add(self, number: int, hour: Hour) -> None:
        self.heard[number] += hour.heard.bit_count()
        self.watched[number] += hour.watched.bit_count()


def _hour_of_kind(weekday: int, hour: int) -> int:
    return (24 if weekday >= 5 else 0) + hour


def _level(window: Sequence[Hour], rates: Sequence[float], until: datetime, days: int) -> float:
    """How much of what is usual came in the last days, at most 1: a campaign that runs out is no fault of the line."""
    latest = [hour for hour in window if until - hour.at <= timedelta(days=days)]
    expected = _expected(latest, rates)
    heard = sum(hour.heard.bit_count() for hour in latest)
    return min(1.0, (heard + _LEVEL_PRIOR) / (expected + _LEVEL_PRIOR))


def _spread(window: Sequence[Hour], rates: Sequence[float]) -> tuple[float, float]:
    """How days differ: the shape of their factors, and what a silence needs less where leads come more evenly than by
    chance, such as a file each morning (1: nothing less). A few weeks do not tell evenness well: it must be far from
    chance to count."""
    days: dict[date, _Block] = {}
    for hour in window:
        days.setdefault(hour.at.date(), _Block()).add(hour, rates[hour_of_week(hour.at)])
    blocks: list[_Block] = []
    for day in days.values():
        if not blocks or blocks[-1].expected >= 1:
            blocks.append(_Block())
        blocks[-1].join(day)
    if blocks[-1].expected < 1:
        blocks.pop()
    if len(blocks) < _LEAST_BLOCKS:
        return math.inf, 1.0
    measured = sum(block.deviation for block in blocks) / (len(blocks) - 2)
    excess = sum(block.squared - block.variance for block in blocks)
    squares = sum(block.expected**2 for block in blocks)
    shape = max(squares / excess, _LEAST_SHAPE) if excess > 0 else math.inf
    return shape, 1.0 if measured >= _EVEN else max(measured / _EVEN, _MOST_EVEN)


@dataclass(slots=True)
class _Block:
    """Days that together bring a lead or more."""

    heard: int = 0
    expected: float = 0.0
    variance: float = 0.0

    def add(self, hour: Hour, rate: float) -> None:
        watched = hour.watched.bit_count()
        self.heard += hour.heard.bit_count()
        self.expected += rate * watched
        self.variance += rate * (1 - rate) * watched

    def join(self, day: _Block) -> None:
        self.heard += day.heard
        self.expected += day.expected
        self.variance += day.variance

    @property
    def squared(self) -> float:
        return _OWN_SHARE * (self.heard - self.expected) ** 2

    @property
    def deviation(self) -> float:
        """How far off, squared, in units of the variance: 1 on average."""
        return self.squared / max(self.variance, _LEAST_VARIANCE * self.expected)
