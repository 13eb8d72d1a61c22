"""Attribution: where a lead came from, as touches. Facts are kept as they came; source, medium and channel follow.

A touch stands in clear in the database: it carries no personal data, not even what a careless link held.
docs/attribution.md explains the whole; `evidence` weighs, `channels` classifies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline.canonical import CLICK_IDS, EXTRA_UTM_FIELDS, TOUCH_DETAILS, UTM_FIELDS
from pipeline.records import Lead, Touch
from pipeline.stages.attribution.channels import channel_of, rules_version
from pipeline.stages.attribution.click_ids import click_ids
from pipeline.stages.attribution.signals import Visit, meaningful, weigh
from pipeline.stages.attribution.urls import NO_ADDRESS, Address, decode_value, parse_address
from pipeline.values.personal_data import Redact, redact_path, redactor_of

__all__ = ["channel_of", "folded", "touch_of", "touches_of"]

NOT_SET = "(not set)"
_PATH_LIMIT = 255
_EARLIER_LIMIT = 50  # earlier touches of one lead: more is no memory of visits


def touches_of(lead: Lead) -> list[Touch]:
    """The lead's own touch (position 0), then those that the source remembers from before it (position 1, 2, …).

    Raises ValueError if the lead has no person yet: that is a bug of the caller.
    """
    own = touch_of(lead)
    if not lead.earlier_touches:
        return [own]
    redact = redactor_of(lead.fields)
    just_before = lead.occurred_at - timedelta(microseconds=1)
    earlier = [
        _touch(lead, touch.fields, redact, position=position, at=min(touch.at, just_before))
        for position, touch in enumerate(lead.earlier_touches[:_EARLIER_LIMIT], start=1)
    ]
    return [own, *earlier]


def touch_of(lead: Lead) -> Touch:
    """The lead's own touch. Raises ValueError if it has no person yet: that is a bug of the caller."""
    return _touch(lead, lead.fields, redactor_of(lead.fields), position=0, at=lead.occurred_at)


def folded(text: str) -> str:
    """A source or medium as reports group it: small letters, single spaces."""
    return text.lower() if " " not in text else " ".join(text.lower().split())


def _touch(lead: Lead, fields: Mapping[str, Any], redact: Redact, *, position: int, at: datetime) -> Touch:
    if lead.person_id is None:
        raise ValueError(f"event {lead.event_id} has no person yet; match before attributing")
    page, visit = _read(fields, redact)
    origin = weigh(visit)
    medium = origin.medium or NOT_SET
    campaign = meaningful(visit.utm.get("utm_campaign")) or meaningful(visit.details.get("campaign_name"))
    return Touch(
        event_id=lead.event_id,
        position=position,
        person_id=lead.person_id,
        brand=lead.brand,
        occurred_at=at,
        source=folded(origin.source),
        medium=folded(medium),
        campaign=campaign,
        channel=channel_of(origin.source, medium, campaign),
        rules_version=rules_version(),
        click_ids=visit.click_ids,
        referrer_host=visit.referrer_host,
        landing_path=page.path,
        details=visit.details,
        **visit.utm,
    )


def _read(fields: Mapping[str, Any], redact: Redact) -> tuple[Address, Visit]:
    """The page, its path free of personal data, and the visit. A field of its own beats a parameter of the page."""
    page = _address(fields.get("page_url"))
    referrer = _address(fields.get("referrer"))
    values = dict(page.parameters)
    details: dict[str, str] = {}
    for name, value in fields.items():
        if name in _OWN and value is not None and (text := decode_value(str(value))):
            (details if name in _DETAILS else values)[name] = text
    for name in EXTRA_UTM_FIELDS:
        if name in values:
            details.setdefault(name, values[name])
    if page.path is not None and page.path != "/":
        page = page._replace(path=redact_path(page.path, redact)[:_PATH_LIMIT])
    visit = Visit(
        utm={name: redact(values[name]) for name in UTM_FIELDS if name in values},
        click_ids={name: redact(values[name]) for name in click_ids() if name in values} if values else {},
        page_host=page.host,
        referrer_host=referrer.host,
        referrer_path=referrer.path,
        details={name: redact(details[name]) for name in TOUCH_DETAILS if name in details} if details else {},
        reported=fields.get("reported_source"),
    )
    return page, visit


_DETAILS = frozenset(TOUCH_DETAILS)
_OWN = frozenset((*UTM_FIELDS, *CLICK_IDS, *TOUCH_DETAILS))


def _address(value: Any) -> Address:
    return parse_address(value) if isinstance(value, str) else NO_ADDRESS
