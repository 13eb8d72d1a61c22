from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.channels import CHANNELS, RULES, channel_of

# source, medium, campaign, channel: each rule, then where the order of the rules decides
CASES = [
    ("(direct)", "(none)", None, "Direct"),
    ("(direct)", "(not set)", None, "Direct"),
    (None, None, None, "Direct"),
    ("google", "cpc", "Cross-network", "Cross-network"),
    ("x", "y", "q1 cross-network de", "Cross-network"),
    ("amazon", "cpc", None, "Paid Shopping"),
    ("newsite", "cpc", "shop-spring", "Paid Shopping"),
    ("google", "ppc", "shopping_de", "Paid Shopping"),
    ("google", "cpc", None, "Paid Search"),
    ("GOOGLE", "CPC", "Brand", "Paid Search"),
    ("bing", "ppc", None, "Paid Search"),
    ("duckduckgo", "paidsearch", None, "Paid Search"),
    ("google", "cpm", None, "Paid Search"),
    ("facebook", "paid_social", None, "Paid Social"),
    ("linkedin", "cpc", None, "Paid Social"),
    ("ig", "paid", None, "Paid Social"),
    ("tiktok", "retargeting", None, "Paid Social"),
    ("youtube", "cpv", None, "Paid Video"),
    ("youtube", "cpc", None, "Paid Video"),
    ("vimeo.com", "paid", None, "Paid Video"),
    ("google", "display", None, "Display"),
    ("adnetwork", "banner", None, "Display"),
    ("adnetwork", "expandable", None, "Display"),
    ("adnetwork", "interstitial", None, "Display"),
    ("adnetwork", "cpm", None, "Display"),
    ("adnetwork", "cpc", None, "Paid Other"),
    ("adnetwork", "retargeting", None, "Paid Other"),
    ("adnetwork", "paid", None, "Paid Other"),
    ("adnetwork", "ppc", None, "Paid Other"),
    ("amazon", "referral", None, "Organic Shopping"),
    ("x", "y", "landing-shop", "Organic Shopping"),
    ("x", "referral", "workshop", "Referral"),
    ("x", "referral", "eshop", "Organic Shopping"),
    ("facebook", "referral", None, "Organic Social"),
    ("lnkd.in", "referral", None, "Organic Social"),
    ("t.co", "(not set)", None, "Organic Social"),
    ("buffer", "social", None, "Organic Social"),
    ("buffer", "social-network", None, "Organic Social"),
    ("buffer", "Social Media", None, "Organic Social"),
    ("buffer", "sm", None, "Organic Social"),
    ("youtube", "referral", None, "Organic Video"),
    ("partner", "video", None, "Organic Video"),
    ("partner", "short-video-q1", None, "Organic Video"),
    ("google", "organic", None, "Organic Search"),
    ("newengine", "organic", None, "Organic Search"),
    ("google", "(not set)", None, "Organic Search"),
    ("example.org", "referral", None, "Referral"),
    ("partner", "app", None, "Referral"),
    ("partner", "link", None, "Referral"),
    ("newsletter", "email", None, "Email"),
    ("newsletter", "e-mail", None, "Email"),
    ("newsletter", "E_Mail", None, "Email"),
    ("e mail", "x", None, "Email"),
    ("email", "x", None, "Email"),
    ("partner", "affiliate", None, "Affiliates"),
    ("podcast", "audio", None, "Audio"),
    ("twilio", "sms", None, "SMS"),
    ("sms", "x", None, "SMS"),
    ("app", "web-push", None, "Mobile Push Notifications"),
    ("app", "mobile", None, "Mobile Push Notifications"),
    ("app", "notification-1", None, "Mobile Push Notifications"),
    ("firebase", "x", None, "Mobile Push Notifications"),
    ("newsletter", "newsletter", None, "Unassigned"),
    ("newsletter", None, None, "Unassigned"),
    ("(not set)", "(not set)", None, "Unassigned"),
    ("emailing", "x", None, "Unassigned"),
    ("chatgpt.com", "referral", None, "Referral"),
]


@pytest.mark.parametrize(("source", "medium", "campaign", "channel"), CASES)
def test_a_visit_gets_the_channel_ga4_gives_it(source, medium, campaign, channel):
    assert channel_of(source, medium, campaign) == channel


def test_there_are_18_rules_in_ga4s_order():
    assert [name for name, _ in RULES] == [
        "Direct",
        "Cross-network",
        "Paid Shopping",
        "Paid Search",
        "Paid Social",
        "Paid Video",
        "Display",
        "Paid Other",
        "Organic Shopping",
        "Organic Social",
        "Organic Video",
        "Organic Search",
        "Referral",
        "Email",
        "Affiliates",
        "Audio",
        "SMS",
        "Mobile Push Notifications",
    ]
    assert CHANNELS[-1] == "Unassigned"


def test_every_rule_has_a_case():
    assert {channel for *_, channel in CASES} == set(CHANNELS)


@given(st.text(max_size=60) | st.none(), st.text(max_size=60) | st.none(), st.text(max_size=60) | st.none())
def test_any_visit_has_a_channel_and_case_does_not_matter(source, medium, campaign):
    channel = channel_of(source, medium, campaign)
    assert channel in CHANNELS
    if all(text is None or text.isascii() for text in (source, medium, campaign)):
        shouted = [text.upper() if text is not None else None for text in (source, medium, campaign)]
        assert channel_of(*shouted) == channel
