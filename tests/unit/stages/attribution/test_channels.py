from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.attribution import channels
from pipeline.stages.attribution.channels import CHANNELS, RULES, RULES_VERSION, channel_of, rules_version
from pipeline.values import yaml_files
from pipeline.values.vocabularies import source_categories

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


# Two neighbours that both take a visit which no earlier rule took: (the first, source, medium, campaign).
OVERLAPS = [
    ("Direct", "(direct)", "(none)", "cross-network"),
    ("Cross-network", "google", "cpc", "cross-network shopping"),
    ("Paid Shopping", "google", "cpc", "shopping"),
    ("Paid Video", "youtube", "cpm", None),
    ("Display", "adnetwork", "cpm", None),
    ("Organic Shopping", "amazon", "social", None),
    ("Organic Social", "youtube", "social", None),
    ("Organic Video", "youtube", "organic", None),
    ("Organic Search", "google", "referral", None),
    ("Referral", "email", "referral", None),
    ("Email", "email", "affiliate", None),
    ("Audio", "sms", "audio", None),
    ("SMS", "sms", "web-push", None),
]
# Neighbours that no visit can tell apart: a source is in one list only, a medium is one word only, and whatever is
# paid and a shop's was taken as Paid Shopping before.
DISJOINT = {"Paid Search", "Paid Social", "Paid Other", "Affiliates"}


@pytest.mark.parametrize(("first", "source", "medium", "campaign"), OVERLAPS)
def test_the_order_of_two_neighbours_decides(first, source, medium, campaign, monkeypatch):
    place = [name for name, _ in RULES].index(first)
    swapped = [*RULES[:place], RULES[place + 1], RULES[place], *RULES[place + 2 :]]
    assert channel_of(source, medium, campaign) == first
    monkeypatch.setattr(channels, "RULES", swapped)
    assert channel_of.__wrapped__(source, medium, campaign) == RULES[place + 1][0]


def test_every_pair_of_neighbours_is_told_apart_or_cannot_be():
    assert {first for first, *_ in OVERLAPS} | DISJOINT == {name for name, _ in RULES[:-1]}


def test_a_source_is_in_one_of_ga4s_lists_only():
    path = yaml_files.MAPPINGS / "vocabularies" / "ga4_source_categories.csv"
    names = [line.partition(",")[0].lower() for line in path.read_text(encoding="utf-8").splitlines()[2:]]
    assert len(names) == len(set(names)) == 819
    assert Counter(source_categories().values()) == {"social": 592, "search": 129, "shopping": 52, "video": 46}


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "channel"),
    [
        ("adnetwork", "paid\nsocial", None, "Paid Other"),  # a dot stands for a line break, too
        ("adnetwork", "x\ncpc", None, "Paid Other"),
        ("x", "y", "a\nshop", "Organic Shopping"),
        ("x", "y", "eshop", "Organic Shopping"),
        ("x", "y", "kshop", "Unassigned"),
        ("x", "y", "e-shop", "Organic Shopping"),
        ("x", "y", "shopping", "Organic Shopping"),
        ("x", "y", "xshopping", "Organic Shopping"),
        ("x", "y", "workshop", "Unassigned"),
        ("x", "retargeting-1", None, "Unassigned"),
        ("x", "ppc2", None, "Unassigned"),
        ("x", "prepaid", None, "Unassigned"),
        ("x", "paid", None, "Paid Other"),
        ("x", "my email", None, "Unassigned"),
        ("e_mail", "", None, "Email"),
        ("x", "e mail", None, "Email"),
        ("x", "push", None, "Mobile Push Notifications"),
        ("x", "pushes", None, "Unassigned"),
        ("x", "affiliates", None, "Unassigned"),
        ("SMS", "X", None, "SMS"),
        (" Google ", " CPC ", None, "Paid Search"),
        ("(direct)", "organic", None, "Organic Search"),
        ("(direct)", "", None, "Direct"),
        ("", "", "", "Direct"),
    ],
)
def test_a_rule_takes_what_its_expression_takes_and_no_more(source, medium, campaign, channel):
    assert channel_of(source, medium, campaign) == channel


def test_the_version_of_the_rules_changes_with_the_list_of_sources(monkeypatch):
    before = rules_version.__wrapped__()
    assert before.startswith(f"{RULES_VERSION}+")
    monkeypatch.setattr(channels, "source_categories", lambda: {**source_categories(), "example.org": "social"})
    assert rules_version.__wrapped__() != before


def test_every_rule_has_a_case():
    assert {channel for *_, channel in CASES} == set(CHANNELS)


@given(st.text(max_size=60) | st.none(), st.text(max_size=60) | st.none(), st.text(max_size=60) | st.none())
def test_any_visit_has_a_channel_and_case_does_not_matter(source, medium, campaign):
    channel = channel_of(source, medium, campaign)
    assert channel in CHANNELS
    if all(text is None or text.isascii() for text in (source, medium, campaign)):
        shouted = [text.upper() if text is not None else None for text in (source, medium, campaign)]
        assert channel_of(*shouted) == channel
