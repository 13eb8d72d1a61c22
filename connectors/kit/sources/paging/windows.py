"""Windows of time, one after the other from where was read to, up to now: each read to its end before the next begins.

Where an answer is only given for a beginning and an end, nothing in its records moves the cursor: the end of the last
window that was read does. Windows overlap by a second, so that it does not matter on which side a border counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from connectors.kit.errors import ConfigurationError
from connectors.kit.sources.paging.asking import Value, Values
from connectors.kit.sources.paging.declared import TimeWindow
from connectors.kit.sources.paging.walk import Stop, Walk
from connectors.kit.sources.paging.ways import Place, way_of
from connectors.kit.sources.positions import Position
from connectors.kit.sources.runs import STEP_SECONDS, Page, Run
from connectors.kit.times import parse_time

WRITTEN = ("iso", "iso_naive", "date", "unix", "unix_ms")


class Windows:
    """`?from=…&to=…` for each window, and in it pages if it has several."""

    def __init__(self, run: Run, declared: TimeWindow) -> None:
        self._run, self._declared = run, declared

    def __iter__(self) -> Iterator[Page]:
        run, start = self._run, self._run.start
        now = run.now()
        lower = min(self._begin(start), now)
        place, again = (Place(start.page, start.token), start.again) if start.until else (None, None)
        upper = _moment(start.until) if start.until else self._end(lower, now)
        while True:
            for stop in self._read(lower, upper, place):
                is_over = stop.end is not None
                is_again = is_over and stop.may_have_moved and not again
                if is_over and not is_again:
                    break
                next_place = Place() if is_over else stop.place
                yield run.page(stop.answer, self._within(lower, upper, next_place, again=is_again or again))
            place, again = None, is_again or None
            if is_again:
                continue
            end = "the window up to now was read" if upper >= now else None
            yield run.page(stop.answer, Position(after=_text(upper)), end=end)
            if end is not None:
                return
            lower = upper - timedelta(seconds=STEP_SECONDS)
            upper = self._end(upper, now)

    def _read(self, lower: datetime, upper: datetime, place: Place | None) -> Iterator[Stop]:
        filter_ = self._filter(lower, upper)
        if self._declared.pages is not None:
            yield from Walk(self._run, way_of(self._run.poll, self._declared.pages), filter_, place)
        else:
            yield Stop(self._run.reader.read(filter_), Place(), "an answer of its own")

    def _begin(self, start: Position) -> datetime:
        """Of the window that a run was cut short in, or some time before the end of the last one."""
        if start.after is None:
            return _moment(self._declared.begin)
        known = _moment(start.after)
        return known if start.until else known - timedelta(seconds=max(self._declared.lookback_seconds, STEP_SECONDS))

    def _end(self, begin: datetime, now: datetime) -> datetime:
        return min(begin + timedelta(seconds=max(self._declared.step_seconds, 2 * STEP_SECONDS)), now)

    def _within(self, lower: datetime, upper: datetime, place: Place, *, again: bool | None) -> Position:
        return Position(after=_text(lower), until=_text(upper), page=place.number, token=place.token, again=again)

    def _filter(self, lower: datetime, upper: datetime) -> Values:
        declared = self._declared
        return {declared.from_param: sent(lower, declared.written), declared.to_param: sent(upper, declared.written)}


def sent(moment: datetime, written: str) -> Value:
    """A time as a source wants it: one of WRITTEN."""
    if written == "date":
        return moment.date().isoformat()
    if written == "iso_naive":
        return _text(moment).removesuffix("Z")
    seconds = int(moment.timestamp())
    return {"unix": seconds, "unix_ms": seconds * 1000}.get(written, _text(moment))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> datetime:
    """Raises ConfigurationError."""
    moment = parse_time(text)
    if moment is None:
        raise ConfigurationError(f"{text[:60]!r} is no time to begin a window at; write it as 2026-03-01T00:00:00Z")
    return moment.replace(microsecond=0)
