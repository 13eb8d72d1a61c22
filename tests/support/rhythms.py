"""Sources that are heard by chance, as real ones are: minutes in which leads came, and the hours of those."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pipeline.health.silence.rhythm import Hour, learn

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
DAY, WEEK = 1_440, 10_080  # minutes
WATCHED = (1 << 60) - 1

Pattern = Callable[[datetime], float]  # how much comes at a moment, beside other moments


def always(_moment: datetime) -> float:
    return 1.0


def office_hours(moment: datetime) -> float:
    """Working days from eight to six, and hardly anything at night."""
    if moment.weekday() >= 5:
        return 0.0
    return 1.0 if 8 <= moment.hour < 18 else 0.02


def evenings(moment: datetime) -> float:
    """Up and down with the day, less at weekends, as a shop's."""
    height = 1.02 + math.cos((moment.hour - 19) / 24 * 2 * math.pi)
    return height * (0.5 if moment.weekday() >= 5 else 1.0)


def heard_minutes(
    pattern: Pattern, a_week: float, weeks: float, *, seed: int = 1, uneven: float | None = None
) -> list[int]:
    """Minutes after MONDAY in which leads come, so many a week. `uneven`: how alike days are; the less, the more
    some bring much and others little."""
    dice = random.Random(seed)
    weights = [pattern(MONDAY + timedelta(minutes=minute)) for minute in range(WEEK)]
    unit, heard, day = a_week / sum(weights), [], 1.0
    for minute in range(round(weeks * WEEK)):
        if uneven is not None and minute % DAY == 0:
            day = dice.gammavariate(uneven, 1 / uneven)
        if dice.random() < -math.expm1(-unit * weights[minute % WEEK] * day):
            heard.append(minute)
    return heard


def at(minute: int) -> datetime:
    return MONDAY + timedelta(minutes=minute)


def hours_of(heard: Sequence[int], until: int, *, watched: Callable[[int], bool] = lambda _: True) -> list[Hour]:
    """The hours up to a minute; `watched`: of which minutes we were there."""
    bits = [[0, 0] for _ in range(until // 60 + 1)]
    for minute in heard:
        if minute <= until:
            bits[minute // 60][0] |= 1 << minute % 60
    for minute in range(until + 1):
        bits[minute // 60][1] |= watched(minute) << minute % 60
    return [Hour(at(60 * number), *found) for number, found in enumerate(bits)]


def said_after(heard: Sequence[int], last: int, silent_minutes: int) -> int | None:
    """Minutes from the last lead until a silence of so long is said; None if it is not."""
    hours = hours_of([minute for minute in heard if minute <= last], last + silent_minutes)
    rhythm = learn(hours, at(last))
    if rhythm is None:
        return None
    moment = rhythm.first_unusual([hour.after(at(last)) for hour in hours[last // 60 :]])
    return None if moment is None else round((moment - at(last)).total_seconds() / 60)


def false_notices(heard: Sequence[int], weeks: int, *, learned: int) -> int:
    """How many silences of a source that is well are said, after so many minutes of learning."""
    hours = hours_of(heard, weeks * WEEK)
    found, rhythm, learned_at = 0, None, -WEEK
    for last, following in pairwise(heard):
        if last < learned or following - last < 15:
            continue
        silence = [hour.after(at(last)) for hour in hours[last // 60 : following // 60 + 1]]
        silence[-1] = silence[-1].until(at(following - 1))
        if rhythm is None or last - learned_at > DAY or rhythm.surprise(silence) > rhythm.needed / 3:
            rhythm, learned_at = learn(hours[: last // 60 + 1], at(last)), last
            found += rhythm is not None and rhythm.first_unusual(silence) is not None
    return found
