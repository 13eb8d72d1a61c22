"""What is thought of a source's silence, by its own rhythm or by what afluente.yaml says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from pipeline.health.silence.rhythm import LONGEST_WINDOW_DAYS, Hour, Rhythm, learn
from pipeline.store.sources.rhythms import SourceKey, SourceRhythm

PATIENCE = timedelta(minutes=15)  # no shorter silence is looked at
_RELEARNED = timedelta(hours=6)  # of a source that is being heard, so that its pace can be shown
_LEARNED_AT_ONCE = 5


class Judge:
    """Keeps what was learned of each source: while one is silent nothing new is."""

    def __init__(self) -> None:
        self._learned: dict[SourceKey, tuple[datetime, datetime, Rhythm | None]] = {}

    def hours_needed(self, rhythms: Sequence[SourceRhythm], now: datetime) -> dict[SourceKey, datetime]:
        """From when on the hours of which sources are needed to judge them: of all that are silent for a while, and of
        a few of the others, whose pace was not learned for long."""
        needed, learning = {}, 0
        for rhythm in rhythms:
            key, quiet_since = (rhythm.brand, rhythm.source), quiet_from(rhythm)
            if rhythm.unusual_since is not None:
                continue
            if now - quiet_since >= PATIENCE:
                is_learned = rhythm.last_heard_at is None or self._of_silence(rhythm) is not None
                first = quiet_since if is_learned else quiet_since - timedelta(days=LONGEST_WINDOW_DAYS)
                needed[key] = first.replace(minute=0, second=0, microsecond=0)
            elif learning < _LEARNED_AT_ONCE and self._is_outdated(key, now):
                learning += 1
                needed[key] = quiet_since - timedelta(days=LONGEST_WINDOW_DAYS)
        return needed

    def judge(
        self, rhythm: SourceRhythm, hours: Sequence[Hour] | None, after: timedelta | None, now: datetime
    ) -> SourceRhythm:
        """A source with what is thought of its silence. `hours`: as `hours_needed` asked for them, None if it did
        not. A silence that is unusual stays so until something comes."""
        if hours is None:
            return self._paced(rhythm, now)
        key, last = (rhythm.brand, rhythm.source), rhythm.last_heard_at
        if last is not None and self._of_silence(rhythm) is None:
            self._learned[key] = last, now, learn(hours, last)
        silence = [
            hour.after(quiet_from(rhythm)) for hour in hours if hour.at + timedelta(hours=1) > quiet_from(rhythm)
        ]
        if after is not None:
            unusual_since = _first_after(silence, after)
        else:
            learned = self._learned.get(key)
            known = learned[2] if learned else None
            unusual_since = known.first_unusual(silence) if known is not None else None
        return self._paced(msgspec.structs.replace(rhythm, unusual_since=unusual_since), now)

    def _paced(self, rhythm: SourceRhythm, now: datetime) -> SourceRhythm:
        """With how often it is heard, as far as this process knows; else as it was known before."""
        learned = self._learned.get((rhythm.brand, rhythm.source))
        if learned is None:
            return rhythm
        known = learned[2]
        return msgspec.structs.replace(
            rhythm,
            usual_seconds=known and known.usual_seconds(now),
            is_of_this_hour=known is not None and known.is_of_this_hour(now),
        )

    def _of_silence(self, rhythm: SourceRhythm) -> tuple[datetime, datetime, Rhythm | None] | None:
        """What was learned up to its last lead."""
        learned = self._learned.get((rhythm.brand, rhythm.source))
        return learned if learned is not None and learned[0] == rhythm.last_heard_at else None

    def _is_outdated(self, key: SourceKey, now: datetime) -> bool:
        learned = self._learned.get(key)
        return learned is None or now - learned[1] > _RELEARNED


def quiet_from(rhythm: SourceRhythm) -> datetime:
    """Since when nothing came; of who was never heard, or is watched again after a while, since it is watched."""
    return max(rhythm.last_heard_at or rhythm.watched_since, rhythm.watched_since)


def _first_after(silence: Sequence[Hour], after: timedelta) -> datetime | None:
    """The minute in which we have listened for so long."""
    left = after / timedelta(minutes=1)
    for hour in silence:
        for minute in range(60):
            left -= hour.watched >> minute & 1
            if left <= 0:
                return hour.at + timedelta(minutes=minute)
    return None
