"""Every minute: in which minutes was each source heard, were we there to hear it, and is its silence unusual?

Cheap however much comes: it reads the events of the last minutes by their ids and one row an hour of sources that are
silent, never an old event. Minutes in which we were not there ourselves (no receiver, a poll that fails, this job not
run) are not watched: they are neither learned nor waited through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from pipeline.health.silence.judging import Judge, quiet_from
from pipeline.health.silence.listening import Listening, listen
from pipeline.health.silence.rhythm import LONGEST_WINDOW_DAYS, Hour
from pipeline.lanes import BULK
from pipeline.settings.loading import settings
from pipeline.store.engine import server_time, transaction
from pipeline.store.events.cursors import read_cursors
from pipeline.store.sources import rhythms
from pipeline.store.sources.rhythms import HeardMinute, HourRow, SourceKey, SourceRhythm

_MINUTE = timedelta(minutes=1)
_LATE = timedelta(minutes=3)  # so long an event may take from its moment to its commit
_LONGEST_GAP = timedelta(minutes=5)  # between two runs: after a longer one nobody knows who was there meanwhile
_LOOKS_BACK = timedelta(days=1)  # after a standstill, for what came last
_judge = Judge()


def watch_sources(now: datetime | None = None, *, judge: Judge = _judge) -> int:
    """Note what was heard since the last run and judge every source. Returns how many are silent unusually.

    Eight statements at most, whatever the number of sources. Raises TransientError if the database is away.
    """
    known = settings()
    with transaction(synchronous=False) as connection:
        now = now or datetime.fromtimestamp(server_time(connection), UTC)
        before = rhythms.read_rhythms(connection)
        listening = listen(known, read_cursors(connection), rhythms.seen_at(connection, rhythms.RECEIVER), now)
        runs = [
            rhythm.judged_at for rhythm in before.values() if rhythm.judged_at <= now
        ]  # a clock may have been ahead
        last_run = max(runs, default=now - _LOOKS_BACK)
        since = max(last_run - _LATE, now - _LOOKS_BACK)
        heard = [minute for minute in rhythms.heard_minutes(connection, since, now) if _is_own(minute, listening)]
        current = _current(before, listening, heard, now)
        rhythms.add_hours(connection, _hours(listening, current, heard, _minutes(last_run, now)))
        hours = rhythms.read_hours(connection, judge.hours_needed(list(current.values()), now))
        judged = [
            judge.judge(rhythm, _as_hours(hours.get(key)), listening[key].after, now) for key, rhythm in current.items()
        ]
        rhythms.write_rhythms(connection, [*judged, *_let_go(before, listening, now)])
    return sum(rhythm.unusual_since is not None for rhythm in judged)


def forget_old_hours() -> None:
    """Delete what no rhythm is learned of any more."""
    with transaction(synchronous=False) as connection:
        rhythms.forget_hours(connection, days=LONGEST_WINDOW_DAYS + 1)


def _is_own(minute: HeardMinute, listening: Mapping[SourceKey, Listening]) -> bool:
    """A file that somebody imports by hand is not the source that speaks; it goes by the bulk lane."""
    source = listening.get((minute.brand, minute.source))
    return source is not None and (minute.lane != BULK or source.takes_bulk)


def _current(
    before: Mapping[SourceKey, SourceRhythm],
    listening: Mapping[SourceKey, Listening],
    heard: Sequence[HeardMinute],
    now: datetime,
) -> dict[SourceKey, SourceRhythm]:
    """Watched sources with their last lead. Who was never heard is none, unless afluente.yaml says how long it may be
    silent."""
    last: dict[SourceKey, datetime] = {}
    for minute in heard:
        key = minute.brand, minute.source
        last[key] = max(minute.last_at, last.get(key, minute.last_at))
    found = {}
    for key, source in listening.items():
        rhythm = before.get(key)
        if rhythm is None and key not in last and source.after is None:
            continue
        rhythm = msgspec.structs.replace(rhythm or SourceRhythm(*key, watched_since=now, judged_at=now), judged_at=now)
        if key in last and (rhythm.last_heard_at is None or last[key] > rhythm.last_heard_at):
            rhythm = msgspec.structs.replace(rhythm, last_heard_at=last[key], unusual_since=None)
        if source.after is not None and now - quiet_from(rhythm) < source.after:  # the measure was made longer
            rhythm = msgspec.structs.replace(rhythm, unusual_since=None)
        found[key] = rhythm
    return found


def _let_go(
    before: Mapping[SourceKey, SourceRhythm], listening: Mapping[SourceKey, Listening], now: datetime
) -> list[SourceRhythm]:
    """Silent ones that nobody waits for any more, as they are switched off: switched on again they begin anew."""
    return [
        msgspec.structs.replace(rhythm, unusual_since=None, watched_since=now, judged_at=now)
        for key, rhythm in before.items()
        if key not in listening and rhythm.unusual_since is not None
    ]


def _minutes(last_run: datetime, now: datetime) -> list[datetime]:
    """Those since the last run, this one included; this one alone if that is long ago."""
    this = now.replace(second=0, microsecond=0)
    is_on_time = timedelta() <= now - last_run <= _LONGEST_GAP
    count = int((now - last_run) / _MINUTE) + 1 if is_on_time else 1
    return [this - number * _MINUTE for number in reversed(range(count))]


def _hours(
    listening: Mapping[SourceKey, Listening],
    current: Mapping[SourceKey, SourceRhythm],
    heard: Sequence[HeardMinute],
    minutes: Sequence[datetime],
) -> list[HourRow]:
    """What is new, by source and hour. A silence that is unusual is not watched: it must not be learned."""
    bits: dict[tuple[str, str, datetime], list[int]] = {}

    def mark(key: SourceKey, minute: datetime, heard_bit: int) -> None:
        found = bits.setdefault((*key, minute.replace(minute=0)), [0, 0])
        found[0] |= heard_bit << minute.minute
        found[1] |= 1 << minute.minute

    first = minutes[0] - _LATE if len(minutes) > 1 else minutes[0]
    for each in heard:
        if each.minute >= first:
            mark((each.brand, each.source), each.minute, 1)
    for key, rhythm in current.items():
        if listening[key].is_there and rhythm.unusual_since is None:
            for minute in minutes:
                mark(key, minute, 0)
    return [HourRow(*key, *found) for key, found in bits.items()]


def _as_hours(rows: Sequence[HourRow] | None) -> list[Hour] | None:
    return None if rows is None else [Hour(row.hour, row.heard, row.watched) for row in rows]
