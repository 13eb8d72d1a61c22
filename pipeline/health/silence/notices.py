"""Sources that are silent for longer than their own rhythm, in words: how long, what is usual, whose silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.kit import Connector
from pipeline.errors import AfluenteError
from pipeline.health.checks import Check, failed, passed
from pipeline.health.request_checks import WINDOW_MINUTES, refused_sources
from pipeline.health.silence.judging import PATIENCE, quiet_from
from pipeline.health.silence.listening import cursors_of, is_read, watched_sources
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import is_polled
from pipeline.store.engine import StoreError, transaction
from pipeline.store.events.cursors import PollKey, StoredCursor, read_cursors
from pipeline.store.events.requests import count_requests
from pipeline.store.sources.rhythms import SourceRhythm, read_rhythms
from pipeline.values.counting import counted
from pipeline.values.dates.lengths import length_in_words

FRESH = timedelta(minutes=10)  # what was judged before that is of a source that is not watched any more
_TIMEOUT_SECONDS = 10.0
LEARNING, HEARD, QUIET, SILENT = "learning", "heard", "quiet", "silent"


class SourceSilence(msgspec.Struct, frozen=True):
    """How a source is heard. `state`: learning (too little is known of its rhythm), heard (within the last quarter of
    an hour), quiet (as it may be), silent (unusually, since `unusual_since`). `notice`: a silent one's sentence."""

    source: str
    brand: str
    state: str
    last_lead_at: datetime | None
    usual_seconds: float | None
    is_of_this_hour: bool
    unusual_since: datetime | None
    notice: str | None = None

    @property
    def pace(self) -> str | None:
        """`every 9 minutes at this hour`, `every 2 days`; None while it is not known."""
        if self.usual_seconds is None:
            return None
        return f"every {length_in_words(self.usual_seconds)}{' at this hour' if self.is_of_this_hour else ''}"


class Surroundings(msgspec.Struct, frozen=True):
    """What says whose silence it is: how polls went, and what became of the last minutes' requests."""

    cursors: Mapping[PollKey, StoredCursor]
    requests: Mapping[str, Mapping[str, int]]


def read_silences(known: Settings) -> list[SourceSilence]:
    """Every watched source that was ever heard, with how it is now. Raises TransientError."""
    return silences(known, *_read(), datetime.now(UTC))


def silences(
    known: Settings, rhythms: Sequence[SourceRhythm], around: Surroundings, now: datetime
) -> list[SourceSilence]:
    """As `read_silences`, of what was read."""
    watched = watched_sources(known) if rhythms else {}
    return [
        _silence(rhythm, watched[rhythm.brand, rhythm.source], around, now)
        for rhythm in rhythms
        if (rhythm.brand, rhythm.source) in watched and now - rhythm.judged_at <= FRESH
    ]


def find_unwatched(rhythms: Sequence[SourceRhythm], now: datetime) -> list[str]:
    """Whether the job that watches has stopped: then nobody would be told of a silence."""
    last = max((rhythm.judged_at for rhythm in rhythms), default=None)
    if last is None or now - last <= FRESH:
        return []
    waits = length_in_words((now - last).total_seconds())
    return [f"sources: nobody has looked for {waits} whether one is silent; do beat and the ops node run?"]


def check_silence(known: Settings) -> Iterator[Check]:
    """One check for each silent source; one for all if none is. Left out while the database is away, and before
    anything came."""
    now = datetime.now(UTC)
    try:
        rhythms, around = _read()
    except (AfluenteError, StoreError):
        return
    found = silences(known, rhythms, around, now)
    silent = [silence for silence in found if silence.notice is not None]
    for silence in silent:
        label = f"silence of {silence.source}"
        remedy = f"ask at the source; `sources.{silence.source}.silence` of afluente.yaml sets another measure, or off"
        yield failed(label, (silence.notice or "").partition(": ")[2], remedy)
    for sentence in find_unwatched(rhythms, now):
        yield failed("silence", sentence.removeprefix("sources: "), "start beat and the ops node")
    if found and not silent:
        yield passed("silence", f"{counted(len(found), 'source')} heard no less than usual")


def _read() -> tuple[list[SourceRhythm], Surroundings]:
    with transaction(synchronous=False, timeout_seconds=_TIMEOUT_SECONDS) as connection:
        rhythms = list(read_rhythms(connection).values())
        return rhythms, Surroundings(read_cursors(connection), count_requests(connection, minutes=WINDOW_MINUTES))


def _silence(rhythm: SourceRhythm, connector: Connector, around: Surroundings, now: datetime) -> SourceSilence:
    silence = SourceSilence(
        source=rhythm.source,
        brand=rhythm.brand,
        state=_state(rhythm, now),
        last_lead_at=rhythm.last_heard_at,
        usual_seconds=rhythm.usual_seconds,
        is_of_this_hour=rhythm.is_of_this_hour,
        unusual_since=rhythm.unusual_since,
    )
    if rhythm.unusual_since is None:
        return silence
    of_brand = "" if rhythm.brand == "default" else f" of {rhythm.brand}"
    length = length_in_words((now - quiet_from(rhythm)).total_seconds())
    why = _why(rhythm, connector, around, now)
    notice = f"source {rhythm.source}{of_brand}: silent for {length}{_usual(silence)}; {why}"
    return msgspec.structs.replace(silence, notice=notice)


def _state(rhythm: SourceRhythm, now: datetime) -> str:
    if rhythm.unusual_since is not None:
        return SILENT
    if rhythm.last_heard_at is not None and now - rhythm.last_heard_at < PATIENCE:
        return HEARD
    return QUIET if rhythm.usual_seconds is not None else LEARNING


def _usual(silence: SourceSilence) -> str:
    if silence.usual_seconds is None:
        return ""
    when = "at this hour usually" if silence.is_of_this_hour else "usually"
    return f"; {when} a lead every {length_in_words(silence.usual_seconds)}"


def _why(rhythm: SourceRhythm, connector: Connector, around: Surroundings, now: datetime) -> str:
    """Whose silence it is, as far as we can see from here."""
    if is_polled(connector):
        rows = cursors_of(around.cursors, (rhythm.brand, rhythm.source), connector)
        if is_read(rows, now):
            last = max(row.last_run_at for row in rows if row.last_run_at is not None)
            told = last.astimezone(UTC).strftime("%H:%M UTC")
            return f"its polls go well and bring nothing new (last at {told}): ask at the source"
        return f"and by now it cannot be read: `afluente source status {rhythm.source}` says why"
    requests = around.requests.get(rhythm.source, {})
    if rhythm.source in refused_sources({rhythm.source: requests}):
        return "what it posts is refused"
    if requests.get("taken"):
        return "what it posts has come before"
    return "nothing is posted to us: is its webhook still active, and its address ours?"
