"""GA4's default channel grouping: 18 ordered rules, the first that fits wins.

Origin: support.google.com/analytics/answer/9756891. The rules judge source, medium and campaign without case; lists of
sources stand in `mappings/vocabularies/ga4_source_categories.csv`. Google's own clicks go by other rules there (the
network of the ad): what a gclid is, without UTMs, `mappings/vocabularies/click_ids.yaml` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import sha256

from pipeline.values.vocabularies import source_categories

RULES_VERSION = "ga4-2023-11"  # count it up with the rules below; the list's own version is added to it
UNASSIGNED = "Unassigned"
DIRECT = ("(direct)", "(none)")  # source and medium of a visit without any evidence

_PAID = re.compile(r"^(.*cp.*|ppc|retargeting|paid.*)$", re.DOTALL)
_SHOP = re.compile(r"^(.*(([^a-df-z]|^)shop|shopping).*)$", re.DOTALL)
_EMAIL = re.compile(r"email|e-mail|e_mail|e mail")
_DISPLAY = frozenset(("display", "banner", "expandable", "interstitial", "cpm"))
_SOCIAL = frozenset(("social", "social-network", "social-media", "sm", "social network", "social media"))


def _is(category: str) -> Callable[[str], bool]:
    return lambda source: source_categories().get(source) == category


_search, _shopping, _social, _video = _is("search"), _is("shopping"), _is("social"), _is("video")


def _paid(medium: str) -> bool:
    return _PAID.match(medium) is not None


def _shops(source: str, campaign: str) -> bool:
    return _shopping(source) or _SHOP.match(campaign) is not None


# ruff: noqa: ARG005 - every rule is asked with source, medium and campaign, whichever of them it looks at
# Channel -> does it take a visit of this source, medium, campaign. The order is part of the rules.
RULES: tuple[tuple[str, Callable[[str, str, str], bool]], ...] = (
    ("Direct", lambda s, m, c: s == "(direct)" and m in ("(not set)", "(none)")),
    ("Cross-network", lambda s, m, c: "cross-network" in c),
    ("Paid Shopping", lambda s, m, c: _shops(s, c) and _paid(m)),
    ("Paid Search", lambda s, m, c: _search(s) and _paid(m)),
    ("Paid Social", lambda s, m, c: _social(s) and _paid(m)),
    ("Paid Video", lambda s, m, c: _video(s) and _paid(m)),
    ("Display", lambda s, m, c: m in _DISPLAY),
    ("Paid Other", lambda s, m, c: _paid(m)),
    ("Organic Shopping", lambda s, m, c: _shops(s, c)),
    ("Organic Social", lambda s, m, c: _social(s) or m in _SOCIAL),
    ("Organic Video", lambda s, m, c: _video(s) or "video" in m),
    ("Organic Search", lambda s, m, c: _search(s) or m == "organic"),
    ("Referral", lambda s, m, c: m in ("referral", "app", "link")),
    ("Email", lambda s, m, c: _EMAIL.fullmatch(s) is not None or _EMAIL.fullmatch(m) is not None),
    ("Affiliates", lambda s, m, c: m == "affiliate"),
    ("Audio", lambda s, m, c: m == "audio"),
    ("SMS", lambda s, m, c: "sms" in (s, m)),
    (
        "Mobile Push Notifications",
        lambda s, m, c: m.endswith("push") or "mobile" in m or "notification" in m or s == "firebase",
    ),
)
CHANNELS = (*(name for name, _ in RULES), UNASSIGNED)


@cache
def rules_version() -> str:
    """Which rules and list of sources channels are made by: `ga4-2023-11+1f3a9c02`, the list's digest last.

    Stored with each touch; `afluente attribution recompute` brings stored touches to the present version.
    """
    listed = "\n".join(f"{source} {category}" for source, category in sorted(source_categories().items()))
    return f"{RULES_VERSION}+{sha256(listed.encode()).hexdigest()[:8]}"


@lru_cache(maxsize=8192)
def channel_of(source: str | None, medium: str | None, campaign: str | None = None) -> str:
    """The channel of a visit; missing source and medium are GA4's `(direct)` and `(none)`."""
    parts = ((source or DIRECT[0]).strip().lower(), (medium or DIRECT[1]).strip().lower(), (campaign or "").lower())
    for name, takes in RULES:
        if takes(*parts):
            return name
    return UNASSIGNED
