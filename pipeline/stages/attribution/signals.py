"""What each kind of evidence says of where a lead came from. The first that says anything decides.

Order: ids an ad platform put into the lead, a paid click id, UTMs, a mailing's or affiliate's id, the referrer, a click
id that is on paid and unpaid links alike, a partner, somebody's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from pipeline.stages.attribution.channels import DIRECT, channel_of
from pipeline.stages.attribution.click_ids import click_ids
from pipeline.stages.attribution.platforms import Platform, platform_of
from pipeline.stages.attribution.referrers import classify_referrer, is_passing
from pipeline.values.conversions import to_boolean
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary
from pipeline.values.web.sites import is_same_site

# What a link carries where a script or an ad platform should have put a value: it names nothing.
_PLACEHOLDER = re.compile(r"\{.*\}|\$\{.*\}|__\w+__|%%.*%%|<[^<>]*>", re.DOTALL)
_NO_VALUE = frozenset(("undefined", "null", "none", "nan", "[object object]", "n/a", "-"))


class Signal(NamedTuple):
    """What one kind of evidence says. `medium` None: it names a source only."""

    source: str
    medium: str | None


class Visit(NamedTuple):
    """All that a lead says about one way to us, cleaned. `utm` and `details` as they came, case and all."""

    utm: dict[str, str]
    click_ids: dict[str, str]  # in the order in which they decide
    page_host: str | None
    referrer_host: str | None
    referrer_path: str | None
    details: dict[str, str]
    reported: str | None


def weigh(visit: Visit) -> Signal:
    """The strongest evidence of a visit; Direct if there is none."""
    for kind in _KINDS:
        signal = kind(visit)
        if signal is not None:
            return signal
    return Signal(*DIRECT)


def meaningful(value: str | None) -> str | None:
    """The value, unless it is what stands where one is missing: `undefined`, `{{campaign.name}}`."""
    if value is None or value.lower() in _NO_VALUE:
        return None
    return None if value[0] in "{$_%<" and _PLACEHOLDER.fullmatch(value) else value


def _from_platform(visit: Visit) -> Signal | None:
    """A native lead form, or a chat begun from an ad: the platform itself handed the lead over."""
    if "ctwa_clid" in visit.click_ids:  # WhatsApp says so only of ads
        return Signal("facebook", "paid_social")
    named = visit.details.get("platform")
    platform = platform_of(named) if named else None
    if platform is None:
        return None
    if to_boolean(visit.details.get("is_organic", "")).value is True:
        return Signal(platform.source, platform.organic)
    return _told_apart(Signal(platform.source, platform.paid), platform.seller, visit)


def _from_paid_click(visit: Visit) -> Signal | None:
    for name in visit.click_ids:
        known = click_ids()[name]
        if known.is_paid and known.source is not None:
            seller = platform_of(known.source)
            return _told_apart(Signal(known.source, known.medium), seller.seller if seller else None, visit)
    return None


def _told_apart(proven: Signal, seller: str | None, visit: Visit) -> Signal:
    """UTMs of the same platform say more than its id alone: YouTube or search, display or a click. Those of another
    platform were left on the link by mistake."""
    named = meaningful(visit.utm.get("utm_source"))
    platform: Platform | None = platform_of(named) if named else None
    if platform is None or platform.seller != seller:
        return proven
    medium = meaningful(visit.utm.get("utm_medium"))
    if medium is not None and _is_paid(platform.source, medium):
        return Signal(platform.source, medium)
    return proven if platform.source == proven.source else Signal(platform.source, platform.paid)


def _is_paid(source: str, medium: str) -> bool:
    channel = channel_of(source, medium)
    return channel.startswith("Paid") or channel in ("Display", "Cross-network")


def _from_utm(visit: Visit) -> Signal | None:
    source, medium = meaningful(visit.utm.get("utm_source")), meaningful(visit.utm.get("utm_medium"))
    if source is None and medium is None:
        return None
    return Signal(source or "(not set)", medium)


def _from_mailing(visit: Visit) -> Signal | None:
    """An id of a mailing or an affiliate's link: says more than the webmail or the shop that stands as referrer."""
    return _from_unpaid_click(visit, is_referral=False)


def _from_referrer(visit: Visit) -> Signal | None:
    host = visit.referrer_host
    if host is None or is_passing(host) or (visit.page_host and is_same_site(host, visit.page_host)):
        return None
    return Signal(*classify_referrer(host, visit.referrer_path))


def _from_shared_link(visit: Visit) -> Signal | None:
    """fbclid and its like hang on every link out of a network, paid or not: they name it and no more."""
    return _from_unpaid_click(visit, is_referral=True)


def _from_unpaid_click(visit: Visit, *, is_referral: bool) -> Signal | None:
    for name in visit.click_ids:
        known = click_ids()[name]
        if known.source is not None and not known.is_paid and (known.medium == "referral") is is_referral:
            return Signal(known.source, known.medium)
    return None


def _from_partner(visit: Visit) -> Signal | None:
    partner = visit.details.get("partner")
    return Signal(partner, "referral") if partner else None


def _from_report(visit: Visit) -> Signal | None:
    """Somebody's word. Only words we know are carried on: what people type into such a field may be a name."""
    if not visit.reported:
        return None
    known = _reported_sources().get(fold(visit.reported))
    return Signal(*known) if known else Signal("(other)", None)


def _from_ad(visit: Visit) -> Signal | None:
    """An ad's own id, and nothing that says on which platform: paid for, so surely not direct."""
    if not any(visit.details.get(name) for name in ("ad_id", "ad_group_id")):
        return None
    if to_boolean(visit.details.get("is_organic", "")).value is True:
        return None
    return Signal("(not set)", "paid")


@cache
def _reported_sources() -> dict[str, tuple[str, str]]:
    return {fold(name): (entry["source"], entry["medium"]) for name, entry in vocabulary("reported_sources").items()}


_KINDS: tuple[Callable[[Visit], Signal | None], ...] = (
    _from_platform,
    _from_paid_click,
    _from_utm,
    _from_mailing,
    _from_referrer,
    _from_shared_link,
    _from_partner,
    _from_report,
    _from_ad,
)
