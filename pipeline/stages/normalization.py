"""Normalization: same meaning, one spelling. One function per kind of value; none raises, twice changes nothing.

An invalid phone or e-mail never drops a lead: the field is left empty, its text is kept in `raw`, a flag says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pipeline.canonical import CANONICAL_FIELDS, CUSTOM, IDENTIFYING_FIELDS
from pipeline.records import Activity, Lead, Parked, Stage, Suppressed
from pipeline.stages.mapping.consents import bound_consents
from pipeline.stages.mapping.earlier_touches import drop_later
from pipeline.stages.validation.rules import NOTHING_TO_IDENTIFY
from pipeline.stages.validation.validation import Verdict, judge
from pipeline.values.companies.companies import normalize_company
from pipeline.values.companies.industries import normalize_industry
from pipeline.values.conversions import to_count, to_text
from pipeline.values.dates.times import FUTURE_TOLERANCE, read_instant
from pipeline.values.emails.emails import normalize_email
from pipeline.values.names.completion import Names, complete_names
from pipeline.values.names.names import normalize_family_name, normalize_full_name, normalize_given_name
from pipeline.values.normalized import Normalized
from pipeline.values.numbers.ranges import normalize_range
from pipeline.values.phones.phones import normalize_phone, normalize_whatsapp_id
from pipeline.values.places.addresses import as_in_country, normalize_city, normalize_postal_code
from pipeline.values.places.countries import country_code, normalize_country
from pipeline.values.places.languages import normalize_language
from pipeline.values.text.text import (
    LINE_LIMIT,
    normalize_cell,
    normalize_identifier,
    normalize_paragraphs,
    normalize_url,
    raw_excerpt,
)
from pipeline.values.web.websites import normalize_linkedin_url, normalize_website

ASSUMED = "assumed"  # the mapping's own region; `default_region`, being somebody's setting, overrules it
_NAME_FIELDS = ("first_name", "last_name", "full_name")
_OTHERS_LIMIT = 20  # further addresses or numbers of one lead

_BY_KIND: dict[str, Callable[[str], Normalized]] = {
    "line": normalize_cell,
    "identifier": normalize_identifier,
    "url": normalize_url,
    "paragraphs": normalize_paragraphs,
    "given_name": normalize_given_name,
    "family_name": normalize_family_name,
    "full_name": normalize_full_name,
    "email": normalize_email,
    "country": normalize_country,
    "industry": normalize_industry,
    "company": normalize_company,
    "range": normalize_range,
    "website": normalize_website,
    "linkedin_url": normalize_linkedin_url,
    "city": normalize_city,
    "postal_code": normalize_postal_code,
    "language": normalize_language,
}
_PLAN = {field: _BY_KIND.get(kind) for field, kind in CANONICAL_FIELDS.items()}


def normalize_lead(lead: Lead, *, default_region: str | None) -> Lead | Parked | Suppressed:
    """A new lead with every field in its one spelling.

    `default_region` (alpha-2) is the market set for the source or brand. Parked `nothing_to_identify` if neither
    e-mail, phone, profile nor source id is left, or `wrong_type` if one was there and was not even text; parked or
    suppressed too where another rule of `validation` says so.
    """
    draft = _draft(lead, default_region)
    verdict = judge(lead.source, lead.fields, draft.fields, is_released=lead.is_released)
    if verdict.rule is not None:
        return _stopped(draft, verdict)
    for field, rule in verdict.flags:
        draft.note(field, Normalized(None, (rule,)), None)
    return draft.lead()


def show_normalized(lead: Lead, *, default_region: str | None) -> Lead:
    """As `normalize_lead`, whatever is thought of the lead: for whoever looks at one that does not go on."""
    return _draft(lead, default_region).lead()


def normalize_activity(activity: Activity, *, default_region: str | None) -> Activity:
    """The same of what is told of somebody known. Rules of validation are about leads: none stops it."""
    return msgspec.structs.replace(activity, lead=_draft(activity.lead, default_region).lead())


def _draft(lead: Lead, default_region: str | None) -> _Draft:
    draft = _Draft(lead)
    for field, value in lead.fields.items():
        normalize = _PLAN.get(field)
        if normalize is not None:
            draft.put(field, value, normalize(value if isinstance(value, str) else _text(value)))
        elif field.startswith(CUSTOM):
            draft.put(field, value, _own(value))
    _set_region(draft, default_region)
    regions = _regions(draft, default_region)
    draft.put_addresses("email", "other_emails", normalize_email)
    draft.put_addresses("phone", "other_phones", lambda text: normalize_phone(text, regions))
    draft.put_whatsapp()
    draft.put_count()
    draft.put_range()
    draft.put_time()
    draft.put_postal_code()
    _complete_name(draft)
    return draft


class _Draft:
    """The lead being made: the one handed in is left as it is."""

    def __init__(self, lead: Lead) -> None:
        self.before = lead
        self.fields: dict[str, Any] = {}
        self.raw = dict(lead.raw)
        self.flags = {field: list(flags) for field, flags in lead.flags.items()}
        self.occurred_at = lead.occurred_at

    def put(self, field: str, before: Any, normalized: Normalized) -> None:
        if normalized.value is not None:
            self.fields[field] = normalized.value
        self.note(field, normalized, before)

    def note(self, field: str, normalized: Normalized, before: Any) -> None:
        for flag in normalized.flags:
            known = self.flags.setdefault(field, [])
            if flag not in known:
                known.append(flag)
        if normalized.raw is not None and field not in self.raw:
            self.raw[field] = before if isinstance(before, int | float) else normalized.raw

    def put_addresses(self, main: str, others: str, normalize: Callable[[str], Normalized]) -> None:
        """One field with a single best address and one with the rest: each address once, in the order given."""
        source = self.before.fields
        if main not in source and others not in source:
            return
        addresses: list[str] = []
        first = source.get(main)
        if first is not None:
            main_value = normalize(first if isinstance(first, str) else _text(first))
            self.fields.pop(main, None)
            self.put(main, first, main_value)
            addresses += main_value.others
        rest = source.get(others) or []
        refused: list[str] = []
        rest = rest if isinstance(rest, list) else [rest]
        for text in rest[:_OTHERS_LIMIT]:
            other = normalize(text if isinstance(text, str) else _text(text))
            addresses += [value for value in (other.value, *other.others) if value]
            self.note(others, other._replace(raw=None), text)
            if other.value is None and other.raw is not None:
                refused.append(other.raw)
        if refused:
            self.raw.setdefault(others, refused)
        values = [value for value in dict.fromkeys(addresses) if value != self.fields.get(main)]
        if values:
            self.fields[others] = values[:_OTHERS_LIMIT]
        if len(values) > _OTHERS_LIMIT or len(rest) > _OTHERS_LIMIT:
            self.note(others, Normalized(None, ("truncated",)), None)

    def put_whatsapp(self) -> None:
        value = self.before.fields.get("whatsapp_id")
        if value is None:
            return
        text = value if isinstance(value, str) else _text(value)
        self.put("whatsapp_id", value, normalize_whatsapp_id(text))

    def put_count(self) -> None:
        value = self.before.fields.get("employee_count")
        if value is None:
            return
        count = to_count(value)
        if count.value is not None:
            count = Normalized(int(count.value), count.flags, None if count.value == value else str(value))
        self.put("employee_count", value, count)

    def put_range(self) -> None:
        """`51-200` where a number of people belongs: neither end is the number, the range says what is known."""
        written = self.raw.get("employee_count")
        if "range" in self.flags.get("employee_count", ()) and "employee_range" not in self.fields and written:
            self.put("employee_range", written, normalize_range(str(written))._replace(raw=None))

    def put_postal_code(self) -> None:
        """Only its country tells how a postal code is written; the lead's own, no market that was assumed."""
        code, country = self.fields.get("postal_code"), self.fields.get("country")
        if code is None or country is None:
            return
        written, flags = as_in_country(code, country)
        if written != code or flags:
            self.put("postal_code", self.before.fields["postal_code"], Normalized(written, flags, raw_excerpt(code)))

    def put_time(self) -> None:
        """`occurred_at` leaves the fields and becomes the lead's own; a wrong clock is flagged, ours is taken."""
        value = self.before.fields.get("occurred_at")
        if value is None:
            return
        is_readable = isinstance(value, str | int | float) and not isinstance(value, bool)
        moment, flags = read_instant(value) if is_readable else (None, ("unreadable_time",))
        if moment is not None and moment > self.before.received_at + FUTURE_TOLERANCE:
            moment, flags = None, (*flags, "in_the_future")
        self.occurred_at = moment or self.before.received_at
        if flags:
            self.note("occurred_at", Normalized(None, flags, raw_excerpt(str(value))), value)

    def lead(self) -> Lead:
        before = self.before
        return Lead(
            event_id=before.event_id,
            brand=before.brand,
            source=before.source,
            lane=before.lane,
            received_at=before.received_at,
            occurred_at=self.occurred_at,
            mapping_version=before.mapping_version,
            fields=self.fields,
            custom=before.custom,
            raw=self.raw,
            flags=self.flags,
            consents=bound_consents(before.consents, self.occurred_at, before.received_at, self.flags),
            person_id=before.person_id,
            channel=before.channel,
            earlier_touches=drop_later(before.earlier_touches, self.occurred_at, self.flags),
            undecided=before.undecided,
            is_released=before.is_released,
            record_id=before.record_id,
            adds=before.adds,
            later=before.later,
            also=before.also,
            details=before.details,
        )


def _text(value: Any) -> str:
    return to_text(value).value or ""


def _own(value: Any) -> Normalized:
    """A field that only its company knows: texts are tidied, all else stays as its mapping made it."""
    if isinstance(value, str):
        return normalize_paragraphs(value)
    if not isinstance(value, list):
        return Normalized(value)
    entries = [normalize_cell(entry) if isinstance(entry, str) else Normalized(entry) for entry in value]
    return Normalized([entry.value for entry in entries if entry.value is not None] or None)


def _set_region(draft: _Draft, default_region: str | None) -> None:
    if default_region and ASSUMED in draft.flags.get("region", ()):
        draft.fields["region"] = country_code(default_region) or default_region


def _regions(draft: _Draft, default_region: str | None) -> tuple[str, ...]:
    """Where a number without a prefix may belong, likeliest first."""
    candidates = (draft.fields.get("country"), draft.fields.get("region"), default_region)
    return tuple(dict.fromkeys(region for region in candidates if region))


def _complete_name(draft: _Draft) -> None:
    fields, written = draft.fields, draft.before.fields.get("full_name")
    before = Names(fields.get("first_name"), fields.get("last_name"), fields.get("full_name"))
    if before.first is None and before.last is None and before.full is None:
        return
    names, flags = complete_names(
        before,
        written=written[:LINE_LIMIT] if isinstance(written, str) else None,
        country=fields.get("country") or fields.get("region"),
    )
    for field, old, new in zip(_NAME_FIELDS, before, names, strict=True):
        if new is not None and new != old:
            fields[field] = new
            if old is not None:
                draft.raw.setdefault(field, old)
    for field, flag in flags:
        draft.note(field, Normalized(None, (flag,)), None)


def _stopped(draft: _Draft, verdict: Verdict) -> Parked | Suppressed:
    event_id, rule = draft.before.event_id, verdict.rule or ""
    if verdict.reason is not None:
        return Suppressed(event_id, verdict.reason, rule)
    if rule == NOTHING_TO_IDENTIFY:
        return _nothing_to_identify(draft)
    return Parked(
        event_id,
        Stage.NORMALIZE,
        rule,
        f"rule {rule} of mappings/validation.yaml holds it back; if it is real: `afluente leads release ID --why …`",
        verdict.field,
    )


def _nothing_to_identify(draft: _Draft) -> Parked:
    for field in IDENTIFYING_FIELDS:
        if "wrong_type" in draft.flags.get(field, ()):
            return Parked(
                draft.before.event_id,
                Stage.NORMALIZE,
                "wrong_type",
                f"{field} is an object, a list or a truth value, not text; nothing else identifies the person",
                field,
            )
    flagged = [field for field in IDENTIFYING_FIELDS if draft.flags.get(field)]
    return Parked(
        draft.before.event_id,
        Stage.NORMALIZE,
        "nothing_to_identify",
        "no valid e-mail, phone, profile or source id is left to tell a person by; fix one with"
        " `afluente quarantine fix ID --set email=…`, then replay" + _country_is_missing(draft),
        flagged[0] if flagged else None,
    )


def _country_is_missing(draft: _Draft) -> str:
    """What would rescue all that lack the same, not this lead alone; empty if it has no phone that does."""
    if not any("region_unknown" in draft.flags.get(field, ()) for field in ("phone", "other_phones")):
        return ""
    return "; it has a phone without a country: `region:` in the source's mapping and a replay would read that"
