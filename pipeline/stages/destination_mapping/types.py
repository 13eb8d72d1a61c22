"""The types a CRM's field may have, and how a value of ours is written in each.

Each function gives the value ready for JSON or raises UnfitError, whose text goes on after the field's name and never
shows the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from pipeline.stages.destination_mapping.declarations import DestinationRule
from pipeline.values.dates.times import instant_text, parse_instant
from pipeline.values.emails.emails import normalize_email


class UnfitError(ValueError):
    """A value that the CRM would refuse. `code` is the quarantine's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def cut(text: str, limit: int, rule: DestinationRule) -> str:
    """The text's first `limit` characters: no half entry of a list, no white space at the end."""
    short = text[:limit]
    if rule.kind == "list" and rule.separator in short and not text[limit:].startswith(rule.separator):
        short = short.rpartition(rule.separator)[0]
    return short.rstrip()


def _text(value: Any, rule: DestinationRule) -> str:
    if isinstance(value, list):
        return rule.separator.join(_text(item, rule) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else value.isoformat() if isinstance(value, date) else str(value)


def _number(value: Any, rule: DestinationRule) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise UnfitError("wrong_type", f"must be a {rule.kind}")
    if rule.digits is not None and abs(value) >= 10**rule.digits:
        raise UnfitError("too_long", f"takes {rule.digits} digits")
    if (rule.at_least is not None and value < rule.at_least) or (rule.at_most is not None and value > rule.at_most):
        bounds = [f"at least {rule.at_least}"] if rule.at_least is not None else []
        bounds += [f"at most {rule.at_most}"] if rule.at_most is not None else []
        raise UnfitError("out_of_range", f"must be {' and '.join(bounds)}")
    return value


def _integer(value: Any, rule: DestinationRule) -> int:
    number = _number(value, rule)
    if number != int(number):
        raise UnfitError("wrong_type", "must be a whole number")
    return int(number)


def _boolean(value: Any, _rule: DestinationRule) -> bool:
    if not isinstance(value, bool):
        raise UnfitError("wrong_type", "must be a boolean")
    return value


def _datetime(value: Any, _rule: DestinationRule) -> str:
    """`2026-03-02T09:14:55Z`"""
    return instant_text(_moment(value).replace(microsecond=0))


def _date(value: Any, _rule: DestinationRule) -> str:
    """`2026-03-02`, as it is in UTC."""
    return _moment(value).date().isoformat()


def _email(value: Any, rule: DestinationRule) -> str:
    text = _text(value, rule)
    address = normalize_email(text).value
    if address is None or address != text.strip().lower():
        raise UnfitError("invalid_email", "is no e-mail address")
    return text.strip()


def _phone(value: Any, rule: DestinationRule) -> str:
    text = _text(value, rule)
    if sum(character.isdigit() for character in text) < _FEWEST_DIGITS:
        raise UnfitError("invalid_phone", "is no phone number")
    return text


def _url(value: Any, rule: DestinationRule) -> str:
    text = _text(value, rule).strip()
    if "." not in text or any(character.isspace() for character in text):
        raise UnfitError("invalid_url", "is no address on the web")
    return text


TYPES: dict[str, Callable[[Any, DestinationRule], Any]] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "email": _email,
    "phone": _phone,
    "url": _url,
    "list": _text,
    "picklist": _text,
}
TAKEN_AS_TEXT = frozenset(kind for kind, write in TYPES.items() if write is _text)  # a text stands as it is
_FEWEST_DIGITS = 3


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    is_readable = isinstance(value, str | int | float) and not isinstance(value, bool)
    moment = parse_instant(value) if is_readable else None
    if moment is None:
        raise UnfitError("wrong_type", "must be a time")
    return moment


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)
