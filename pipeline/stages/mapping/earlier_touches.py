"""Contacts before this one that a record remembers: a form's first visit. Each needs its own time and some evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pipeline.canonical import TOUCH_FIELDS
from pipeline.records import EarlierTouch
from pipeline.values.conversions import Conversion, to_text
from pipeline.values.dates.times import parse_instant
from pipeline.values.normalized import is_empty
from pipeline.values.text.text import normalize_cell, normalize_url, raw_excerpt

NAME = "earlier_touches"  # of the field that flags and raw texts are kept under
Flags = dict[str, list[str]]
Read = Callable[[Any], Any]
# The last argument of both says how columns write dates, decided over a whole file: column -> dmy, mdy or ymd.
ReadTime = Callable[[dict[str, Any], Mapping[str, str]], tuple[Any, Any]]  # the value as it stands, and as a time
ReadTouch = Callable[[dict[str, Any], list[EarlierTouch], Flags, dict[str, Any], Mapping[str, str]], None]

_TOUCH_LIMIT = 20  # of one lead
_RAW_LIMIT = 255
_FIRST_YEAR = 1970


def compile_earlier_touch(
    read_at: ReadTime, fields: dict[str, tuple[Read, Conversion]], unsaid: dict[str, Any]
) -> ReadTouch:
    """A function that adds the touch one rule declares, if there is one.

    `unsaid` are constants and defaults: they complete a touch, but are no evidence that there was one. Where there is
    evidence but no readable time there is none: flagged `undated`.
    """

    def read(
        record: dict[str, Any],
        touches: list[EarlierTouch],
        flags: Flags,
        raw: dict[str, Any],
        date_orders: Mapping[str, str],
    ) -> None:
        evidence: dict[str, Any] = {}
        for name, (get, convert) in fields.items():
            value = get(record)
            if value is not None:
                _add(evidence, name, convert(value).value)
        if evidence:
            for name in unsaid.keys() - evidence.keys():
                _add(evidence, name, to_text(unsaid[name]).value)
            at, time = read_at(record, date_orders)  # ISO 8601 with its zone, unless a table of values says otherwise
            moment = _moment(time)
            if moment is None and isinstance(at, str) and not is_empty(at):
                raw.setdefault(NAME, raw_excerpt(at[:_RAW_LIMIT]))
            _add_touch(touches, flags, moment, evidence)

    return read


def read_touch_list(value: Any, touches: list[EarlierTouch], flags: Flags) -> None:
    """The canonical `earlier_touches[]`: objects of `at` and touch fields; other keys are not read."""
    if is_empty(value):
        return
    entries = value if isinstance(value, list) else [value]
    for entry in entries[:_TOUCH_LIMIT]:
        if not isinstance(entry, dict):
            _flag(flags, "wrong_type")
            continue
        evidence: dict[str, Any] = {}
        for name, field_value in entry.items():
            if name in TOUCH_FIELDS and not is_empty(field_value):
                _add(evidence, name, to_text(field_value).value)
        if evidence:
            _add_touch(touches, flags, _moment(entry.get("at")), evidence)
    if len(entries) > _TOUCH_LIMIT:
        _flag(flags, "truncated")


def drop_later(touches: list[EarlierTouch], occurred_at: datetime, flags: Flags) -> list[EarlierTouch]:
    """The touches that are no later than the lead itself; others are no earlier ones, flagged `later_than_lead`."""
    earlier = [touch for touch in touches if touch.at <= occurred_at]
    if len(earlier) < len(touches):
        _flag(flags, "later_than_lead")
    return earlier


def _add(evidence: dict[str, Any], name: str, value: Any) -> None:
    normalize = normalize_url if TOUCH_FIELDS[name] == "url" else normalize_cell
    text = normalize(value).value if isinstance(value, str) else None
    if text is not None:
        evidence[name] = text


def _moment(time: Any) -> datetime | None:
    if isinstance(time, str) and time.endswith("Z"):
        try:  # three times as fast; what is unusual, or long ago, is for the other to judge
            moment = datetime.fromisoformat(time)
        except ValueError:
            return parse_instant(time)
        return moment if moment.year >= _FIRST_YEAR else parse_instant(time)
    return parse_instant(time) if isinstance(time, str | int | float) and not isinstance(time, bool) else None


def _add_touch(touches: list[EarlierTouch], flags: Flags, moment: datetime | None, evidence: dict[str, Any]) -> None:
    if moment is None:
        _flag(flags, "undated")
    elif len(touches) < _TOUCH_LIMIT:
        touches.append(EarlierTouch(moment, evidence))
    else:
        _flag(flags, "truncated")


def _flag(flags: Flags, flag: str) -> None:
    known = flags.setdefault(NAME, [])
    if flag not in known:
        known.append(flag)
