"""Statements of consent, read from a record. Absence is no statement: it never becomes a grant or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from connectors.kit.paths import compile_path
from pipeline.records import (
    BY_HAND,
    CONFIRMED,
    CONSENT_ACTS,
    CONSENT_MOMENTS,
    CONSENT_TEXTS,
    EVERY_CHANNEL,
    OBJECTION,
    PENDING,
    RESTORING,
    WITHDRAWAL,
    WITHDRAWING,
    Consent,
)
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

CLOCK_TOLERANCE = timedelta(minutes=5)
GPC_HEADER = "sec-gpc"  # in small letters, as stored
SALE_OR_SHARE = "sale_or_share"
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
    read_at = _compile_times(rule.at)
    get_version = compile_first(list(rule.policy_version)) if rule.policy_version else None
    texts = [(text.name, compile_first(list(text.paths)), text) for text in rule.texts]
    moments = [(name, _compile_times(rules)) for name, rules in rule.moments]

    def read(record: dict[str, Any], consents: list[Consent], flags: Flags, date_orders: Mapping[str, str]) -> None:
        value = get(record)
        if value is None:
            return
        answer = convert(value)
        if not isinstance(answer.value, bool):
            flags.setdefault("consents", []).append("not_a_boolean")
            return
        facts: dict[str, Any] = {name: _fact(get(record), text) for name, get, text in texts}
        facts |= {name: read_moment(record, flags, date_orders) for name, read_moment in moments}
        at = read_at(record, flags, date_orders)
        confirmed_at = facts.get("double_opt_in_confirmed_at")
        act = None
        if answer.value and (rule.confirmed or confirmed_at is not None):
            act, at = CONFIRMED, at or confirmed_at
        elif not answer.value and _is_withdrawal(rule, value):
            act = WITHDRAWAL
        version = _text(get_version(record)) if get_version else None
        consents.append(Consent(rule.purpose, rule.channel, answer.value, at, policy_version=version, act=act, **facts))

    return read


def _is_withdrawal(rule: ConsentRule, value: Any) -> bool:
    if isinstance(rule.withdrawal, bool):
        return rule.withdrawal
    return str(value).strip().lower() in rule.withdrawal


def _fact(value: Any, rule: FieldRule) -> str | None:
    said = _text(value)
    if said is None:
        said = _text(rule.constant) or _text(rule.default)
    return rule.values.get(said, said) if said is not None else None


ReadMoment = Callable[[dict[str, Any], Flags, Mapping[str, str]], datetime | None]


def _compile_times(rules: Iterable[FieldRule]) -> ReadMoment:
    """A function that reads the first time that is filled, of paths each with a rule of its own."""
    getters = [(path, compile_path(path), rule) for rule in rules for path in rule.paths]

    def read(record: dict[str, Any], flags: Flags, date_orders: Mapping[str, str]) -> datetime | None:
        for path, get, rule in getters:
            written_time = get(record)
            if not is_empty(written_time):
                return _instant(written_time, flags, date_orders.get(path), rule)
        return None

    return read


def read_consent_list(
    value: Any, consents: list[Consent], flags: Flags, raw: dict[str, Any], *, is_own: bool = False
) -> None:
    """The canonical `consents[]`. What is no statement of consent is flagged and kept raw.

    `is_own`: we took them ourselves, so they may say that a grant was confirmed, or given by a human. Anybody may say
    that something is withdrawn.
    """
    if is_empty(value):
        return
    entries = value if isinstance(value, list) else [value]
    for entry in entries[:_STATEMENT_LIMIT]:
        statement = _statement(entry, flags, acts=CONSENT_ACTS if is_own else WITHDRAWING)
        if statement is None:
            flags.setdefault("consents", []).append("wrong_type")
            raw.setdefault("consents", excerpt(entry)[:_TEXT_LIMIT])
        else:
            consents.append(statement)
    if len(entries) > _STATEMENT_LIMIT:
        flags.setdefault("consents", []).append("truncated")


def _statement(entry: Any, flags: Flags, *, acts: Collection[str]) -> Consent | None:
    if not isinstance(entry, dict):
        return None
    said_purpose, said_channel, granted = _text(entry.get("purpose")), _text(entry.get("channel")), entry.get("granted")
    if said_purpose is None or said_channel is None:
        return None
    if granted is not None:
        granted = to_boolean(granted).value
        if granted is None:
            return None
    texts: dict[str, Any] = {name: _text(entry.get(name)) for name in CONSENT_TEXTS}
    moments: dict[str, Any] = {name: _instant(entry.get(name), flags) for name in CONSENT_MOMENTS}
    return Consent(
        purpose=consent_purpose(said_purpose),
        channel=consent_channel(said_channel),
        granted=granted,
        at=_instant(entry.get("at"), flags),
        source=_text(entry.get("source")),
        policy_version=_text(entry.get("policy_version")),
        act=_act(entry.get("act"), acts, flags, granted=granted),
        **texts,
        **moments,
    )


def _act(said: Any, acts: Collection[str], flags: Flags, *, granted: bool | None) -> str | None:
    """An act that does not fit the answer, or that is not this source's to say, is none: the answer is a plain one."""
    if is_empty(said):
        return None
    if said in acts and granted is _ANSWER_OF.get(said):
        return str(said)
    flags.setdefault("consents", []).append("not_an_act")
    return None


# What is granted by each act.
_ANSWER_OF = {WITHDRAWAL: False, OBJECTION: False, CONFIRMED: True, BY_HAND: True, PENDING: None}


def add_browser_signal(headers: Mapping[str, str], consents: list[Consent]) -> None:
    """What a browser says of its user with each request, by Global Privacy Control: nothing of theirs is to be sold or
    shared. No program sends it for others."""
    if headers and headers.get(GPC_HEADER) == "1":
        consents.append(
            Consent(SALE_OR_SHARE, EVERY_CHANNEL, granted=False, source="gpc", act=WITHDRAWAL, method="browser_signal")
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


def bound_consents(
    consents: list[Consent], occurred_at: datetime, received_at: datetime, flags: Flags
) -> list[Consent]:
    """Nothing was said after it arrived: what claims so, by more than clocks differ, was said when it arrived. A grant
    of next year would outlast every refusal. One that takes withdrawals back is never ahead: by a clock of some minutes
    it would undo what is withdrawn in these."""
    latest = received_at + CLOCK_TOLERANCE
    said_at = [consent.at or occurred_at for consent in consents]
    if all(at <= received_at for at in said_at):
        return consents
    if any(at > latest for at in said_at):
        flags.setdefault("consents", []).append("in_the_future")
    return [
        consent if at <= (received_at if consent.act in RESTORING else latest) else _said_at(consent, received_at)
        for consent, at in zip(consents, said_at, strict=True)
    ]


def _said_at(consent: Consent, at: datetime) -> Consent:
    return msgspec.structs.replace(consent, at=at)


def _text(value: Any) -> str | None:
    """Words about a consent stand in clear in the database: no address or number is carried on in them."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return redact(clean_line(str(value)[:_TEXT_LIMIT])) or None
