"""Statements of consent, read from a record. Absence is no statement: it never becomes a grant or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pipeline.privacy.redaction import redact
from pipeline.records import Consent
from pipeline.stages.conversions import table_conversion, to_boolean
from pipeline.stages.mapping_language import ConsentRule
from pipeline.stages.paths import compile_first, compile_path
from pipeline.stages.text import clean_line
from pipeline.stages.times import read_instant
from pipeline.stages.values import is_empty

Flags = dict[str, list[str]]
ReadConsent = Callable[[dict[str, Any], list[Consent], Flags, Mapping[str, str]], None]

_TEXT_LIMIT = 255
_STATEMENT_LIMIT = 50  # of one lead
_KEYS = {"purpose", "channel", "granted", "at", "source", "policy_version"}


def compile_consent_rule(rule: ConsentRule) -> ReadConsent:
    """A function that adds the statement of one declared answer, if there is one.

    Its last argument names how columns write dates, where that was decided over a whole file: column -> dmy, mdy, ymd.
    """
    get = compile_first(list(rule.granted.paths))
    convert = table_conversion(to_boolean, rule.granted.values) if rule.granted.values else to_boolean
    at_getters = [(path, compile_path(path)) for path in rule.at]
    get_version = compile_first(list(rule.policy_version)) if rule.policy_version else None

    def read(record: dict[str, Any], consents: list[Consent], flags: Flags, date_orders: Mapping[str, str]) -> None:
        value = get(record)
        if value is None or is_empty(value):
            return
        answer = convert(value)
        if not isinstance(answer.value, bool):
            flags.setdefault("consents", []).append("not_a_boolean")
            return
        path, at = next(((path, at) for path, get in at_getters if not is_empty(at := get(record))), ("", None))
        consents.append(
            Consent(
                purpose=rule.purpose,
                channel=rule.channel,
                granted=answer.value,
                at=_instant(at, flags, date_orders.get(path)),
                policy_version=_text(get_version(record)) if get_version else None,
            )
        )

    return read


def read_consent_list(value: Any, consents: list[Consent], flags: Flags, raw: dict[str, Any]) -> None:
    """The canonical `consents[]`. What is no statement of consent is flagged and kept raw."""
    if is_empty(value):
        return
    entries = value if isinstance(value, list) else [value]
    for entry in entries[:_STATEMENT_LIMIT]:
        statement = _statement(entry, flags)
        if statement is None:
            flags.setdefault("consents", []).append("wrong_type")
            raw.setdefault("consents", repr(entry)[:_TEXT_LIMIT])
        else:
            consents.append(statement)
    if len(entries) > _STATEMENT_LIMIT:
        flags.setdefault("consents", []).append("truncated")


def _statement(entry: Any, flags: Flags) -> Consent | None:
    if not isinstance(entry, dict):
        return None
    purpose, channel, granted = _text(entry.get("purpose")), _text(entry.get("channel")), entry.get("granted")
    if purpose is None or channel is None:
        return None
    if granted is not None:
        granted = to_boolean(granted).value
        if granted is None:
            return None
    return Consent(
        purpose=purpose,
        channel=channel,
        granted=granted,
        at=_instant(entry.get("at"), flags),
        source=_text(entry.get("source")),
        policy_version=_text(entry.get("policy_version")),
    )


def _instant(value: Any, flags: Flags, order: str | None = None) -> datetime | None:
    if is_empty(value):
        return None
    found = read_instant(value, order=order) if isinstance(value, str | int | float) else None
    noticed = ("unreadable_time",) if found is None else found.flags
    if noticed:
        flags.setdefault("consents", []).extend(noticed)
    return found.moment if found else None


def _text(value: Any) -> str | None:
    """Words about a consent stand in clear in the database: no address or number is carried on in them."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return redact(clean_line(str(value)[:_TEXT_LIMIT])) or None
