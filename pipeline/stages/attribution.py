"""Attribution: where a lead came from, as one touch. Facts are kept as they came; source, medium and channel follow.

Order of evidence: ids an ad platform put into the lead, a paid click id, UTMs, the referrer, somebody's word.
A touch stands in clear in the database: it carries no personal data, not even what a careless link held.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from pipeline.privacy.redaction import REDACTED, redact
from pipeline.records import Lead, Touch
from pipeline.stages.canonical import CLICK_IDS, TOUCH_DETAILS, UTM_FIELDS
from pipeline.stages.channels import DIRECT, channel_of
from pipeline.stages.referrers import classify_referrer
from pipeline.stages.text import fold
from pipeline.stages.urls import NO_ADDRESS, Address, decode_value, parse_address, site_of
from pipeline.stages.vocabularies import vocabulary

__all__ = ["channel_of", "touch_of"]

_PATH_LIMIT = 255


class Evidence(NamedTuple):
    """What one kind of evidence says. `medium` None: it names a source only."""

    source: str
    medium: str | None
    campaign: str | None = None


class _Visit(NamedTuple):
    """All that a lead says about its way to us, cleaned."""

    utm: dict[str, str]
    click_ids: dict[str, str]
    page: Address
    referrer: Address
    details: dict[str, str]
    reported: str | None


# Click id -> the paid platform it proves. A gclid says Google Ads; without UTMs it nearly always was a search.
_PAID_CLICKS: dict[str, Evidence] = {
    "gclid": Evidence("google", "cpc"),
    "gbraid": Evidence("google", "cpc"),
    "wbraid": Evidence("google", "cpc"),
    "dclid": Evidence("google", "display"),
    "msclkid": Evidence("bing", "cpc"),
    "li_fat_id": Evidence("linkedin", "paid_social"),
    "ttclid": Evidence("tiktok", "paid_social"),
    "twclid": Evidence("twitter", "paid_social"),
}
# Spellings of one platform in utm_source: UTMs beside a click id of the same platform say more than the id alone.
_PLATFORM_SOURCES = {
    "google": ("google", "adwords", "googleads", "google ads", "youtube", "gdn", "dv360"),
    "bing": ("bing", "microsoft", "msn", "bingads", "microsoft ads"),
    "linkedin": ("linkedin", "li", "lnkd.in"),
    "tiktok": ("tiktok", "tt"),
    "twitter": ("twitter", "x", "t.co"),
}


def touch_of(lead: Lead) -> Touch:
    """The touch of a lead whose person is known. Raises ValueError if it is not: that is a bug of the caller."""
    if lead.person_id is None:
        raise ValueError(f"event {lead.event_id} has no person yet; match before attributing")
    visit = _read(lead)
    found = next((evidence for weigh in _EVIDENCE if (evidence := weigh(visit)) is not None), None)
    found = found or Evidence(*DIRECT)
    campaign = found.campaign or visit.utm.get("utm_campaign") or visit.details.get("campaign_name")
    return Touch(
        event_id=lead.event_id,
        person_id=lead.person_id,
        brand=lead.brand,
        occurred_at=lead.occurred_at,
        source=found.source.lower(),
        channel=channel_of(found.source, found.medium or "(not set)", campaign),
        campaign=campaign,
        click_ids=visit.click_ids,
        referrer_host=visit.referrer.host,
        landing_path=visit.page.path,
        details={**visit.details, "medium": found.medium or "(not set)"},
        **visit.utm,
    )


def _read(lead: Lead) -> _Visit:
    fields = lead.fields
    page = _address(fields.get("page_url"))
    referrer = _address(fields.get("referrer"))
    redact = _redactor(fields)  # of this lead's own names too
    named = {name: decode_value(str(fields[name])) for name in (*UTM_FIELDS, *CLICK_IDS) if fields.get(name)}
    values = {**page.parameters, **{name: value for name, value in named.items() if value}}
    utm = {name: redact(values[name]) for name in UTM_FIELDS if name in values}
    click_ids = {name: redact(values[name]) for name in CLICK_IDS if name in values}
    details = {name: redact(decode_value(str(fields[name]))) for name in TOUCH_DETAILS if fields.get(name)}
    path = redact(page.path)[:_PATH_LIMIT] if page.path else None
    return _Visit(
        utm=utm,
        click_ids=click_ids,
        page=page._replace(path=path),
        referrer=referrer,
        details=details,
        reported=fields.get("reported_source"),
    )


def _address(value: Any) -> Address:
    return parse_address(value) if isinstance(value, str) else NO_ADDRESS


def _redactor(fields: dict[str, Any]) -> Callable[[str], str]:
    """Takes out addresses, phone numbers and whatever equals a name, address or number of this very lead."""
    own = {
        fold(str(fields[name]))
        for name in ("email", "phone", "full_name", "first_name", "last_name")
        if fields.get(name)
    }
    own.discard("")

    def redact_own(text: str) -> str:
        text = redact(text)
        return REDACTED if fold(text) in own else text

    return redact_own


def _from_platform(visit: _Visit) -> Evidence | None:
    if "ctwa_clid" in visit.click_ids:  # a WhatsApp chat begun from an ad
        return Evidence("facebook", "paid_social", visit.details.get("campaign_name"))
    return None


def _from_paid_click(visit: _Visit) -> Evidence | None:
    for name in visit.click_ids:
        proven = _PAID_CLICKS.get(name)
        if proven is None:
            continue
        source, medium = visit.utm.get("utm_source"), visit.utm.get("utm_medium")
        if source and medium and source.lower() in _PLATFORM_SOURCES[proven.source] and _is_paid(source, medium):
            return Evidence(source, medium)
        return proven
    return None


def _is_paid(source: str, medium: str) -> bool:
    channel = channel_of(source, medium)
    return channel.startswith("Paid") or channel in ("Display", "Cross-network")


def _from_utm(visit: _Visit) -> Evidence | None:
    source, medium = visit.utm.get("utm_source"), visit.utm.get("utm_medium")
    if source is None and medium is None:
        return None
    return Evidence(source or "(not set)", medium)


def _from_referrer(visit: _Visit) -> Evidence | None:
    host = visit.referrer.host
    if host is not None and not (visit.page.host and site_of(host) == site_of(visit.page.host)):
        return Evidence(*classify_referrer(host))
    if "fbclid" in visit.click_ids:  # on every link out of Meta, paid or not: it names the network and no more
        return Evidence("facebook", "referral")
    return None


def _from_partner(visit: _Visit) -> Evidence | None:
    partner = visit.details.get("partner")
    return Evidence(partner, "referral") if partner else None


def _from_report(visit: _Visit) -> Evidence | None:
    """Somebody's word. Only words we know are carried on: what people type into such a field may be a name."""
    if not visit.reported:
        return None
    known = _reported_sources().get(fold(visit.reported))
    return Evidence(known[0], known[1]) if known else Evidence("(other)", None)


@cache
def _reported_sources() -> dict[str, tuple[str, str]]:
    return {fold(name): (entry["source"], entry["medium"]) for name, entry in vocabulary("reported_sources").items()}


_EVIDENCE: tuple[Callable[[_Visit], Evidence | None], ...] = (
    _from_platform,
    _from_paid_click,
    _from_utm,
    _from_referrer,
    _from_partner,
    _from_report,
)
