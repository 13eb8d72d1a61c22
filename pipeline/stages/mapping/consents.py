"""Statements of consent, read from a record. Absence is no statement: it never becomes a grant or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from connectors.kit.paths import compile_path
from pipeline.records import Consent
from pipeline.stages.mapping.language import ConsentRule, FieldRule
from pipeline.stages.paths import compile_first
from pipeline.values.conversions import excerpt, table_conversion, to_boolean
from pipeline.values.dates.times import read_instant
from pipeline.values.folding import fold
from pipeline.values.normalized import is_empty
from pipeline.values.redaction import redact
from pipeline.values.text.text import clean_line
from pipeline.values.vocabularies import aliases

Flags = dict[str, list[str]]
ReadConsent = Callable[[dict[str, Any], list[Consent], Flags, Mapping[str, str]], None]

_TEXT_LIMIT = 255
_STATEMENT_LIMIT = 50  # of one lead


@lru_cache(maxsize=256)
def consent_purpose(text: str) -> str:
    """A purpose by its one name (mappings/vocabularies/consent_purposes.yaml); an unknown one in lower case."""
    return aliases("consent_purposes").get(fold(text)) or text.strip().lower()


@lru_cache(maxsize=256)
def consent_channel(text: str) -> str:
    """A channel by its one name (mappings/vocabularies/consent_channels.yaml): E-Mail, mail and email are one."""
    return aliases("consent_channels").get(fold(text)) or text.strip().lower()


def compile_consent_rule(rule: ConsentRule) -> ReadConsent:
    """A function that adds the statement of one declared answer, if there is one.

    Its last argument names how columns write dates, where that was decided over a whole file: column -> dmy, mdy, ymd.
    """
    get = compile_first(list(rule.granted.paths))
    convert = table_conversion(to_boolean, rule.granted.values) if rule.granted.values else to_boolean
    at_getters = [(path, compile_path(path), at_rule) for at_rule in rule.at for path in at_rule.paths]
    get_version = compile_first(list(rule.policy_version)) if rule.policy_version else None

    def read(record: dict[str, Any], consents: list[Consent], flags: Flags, date_orders: Mapping[str, str]) -> None:
        value = get(record)
        if value is None:
            return
        answer = convert(value)
        if not isinstance(answer.value, bool):
            flags.setdefault("consents", []).append("not_a_boolean")
            return
        at = None
        for path, get_at, at_rule in at_getters:
            written_time = get_at(record)
            if not is_empty(written_time):
                at = _instant(written_time, flags, date_orders.get(path), at_rule)
                break
        consents.append(
            Consent(
                purpose=rule.purpose,
                channel=rule.channel,
                granted=answer.value,
                at=at,
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
            raw.setdefault("consents", excerpt(entry)[:_TEXT_LIMIT])
        else:
            consents.append(statement)
    if len(entries) > _STATEMENT_LIMIT:
        flags.setdefault("consents", []).append("truncated")


def _statement(entry: Any, flags: Flags) -> Consent | None:
    if not isinstance(entry, dict):
        return None
    said_purpose, said_channel, granted = _text(entry.get("purpose")), _text(entry.get("channel")), entry.get("granted")
    if said_purpose is None or said_channel is None:
        return None
    if granted is not None:
        granted = to_boolean(granted).value
        if granted is None:
            return None
    return Consent(
        purpose=consent_purpose(said_purpose),
        channel=consent_channel(said_channel),
        granted=granted,
        at=_instant(entry.get("at"), flags),
        source=_text(entry.get("source")),
        policy_version=_text(entry.get("policy_version")),
    )


_OPEN = FieldRule("at", conversion="date")


def _instant(value: Any, flags: Flags, order: str | None = None, rule: FieldRule = _OPEN) -> datetime | None:
    if is_empty(value):
        return None
    instant = (
        read_instant(value, formats=rule.formats, zone=rule.zone, order=rule.order or order)
        if isinstance(value, str | int | float)
        else None
    )
    noticed = ("unreadable_time",) if instant is None else instant.flags
    if noticed:
        flags.setdefault("consents", []).extend(noticed)
    return instant.moment if instant else None


def _text(value: Any) -> str | None:
    """Words about a consent stand in clear in the database: no address or number is carried on in them."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return redact(clean_line(str(value)[:_TEXT_LIMIT])) or None
