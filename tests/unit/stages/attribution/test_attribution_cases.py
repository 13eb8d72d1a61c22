"""Cases of (source, medium, campaign, referrer, click id) with the channel they belong to, as a link and as fields."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

import pytest

from pipeline.canonical import CLICK_IDS
from pipeline.records import Lead
from pipeline.stages.attribution.channels import CHANNELS, channel_of
from pipeline.stages.attribution.platforms import platform_of
from pipeline.stages.attribution.touches import touch_of
from pipeline.values.vocabularies import vocabulary

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
GOOGLE, BING, FACEBOOK = "https://www.google.com/", "https://www.bing.com/search?q=crm", "https://l.facebook.com/"
LINKEDIN, YOUTUBE, CHATGPT = "https://www.linkedin.com/feed/", "https://www.youtube.com/", "https://chatgpt.com/"
BLOG, OWN, SHOP = "https://blog.example.org/post", "https://shop.example.com/", "https://www.amazon.de/"

# utm_source, utm_medium, utm_campaign, referrer, click id -> source, channel
CASES = [
    # nothing, or nothing that counts
    (None, None, None, None, None, "(direct)", "Direct"),
    (None, None, None, OWN, None, "(direct)", "Direct"),
    (None, None, "spring", None, None, "(direct)", "Direct"),
    ("(direct)", "(none)", None, None, None, "(direct)", "Direct"),
    ("undefined", "undefined", None, None, None, "(direct)", "Direct"),
    ("{{source}}", "{{medium}}", None, None, None, "(direct)", "Direct"),
    (None, None, None, "https://accounts.google.com/signin", None, "(direct)", "Direct"),
    (None, None, None, "https://www.paypal.com/checkoutnow", None, "(direct)", "Direct"),
    (None, None, None, "https://checkout.stripe.com/pay", None, "(direct)", "Direct"),
    # cross-network and shopping, by the campaign's name
    ("google", "cpc", "Cross-network", None, None, "google", "Cross-network"),
    (None, None, "DE Cross-Network Q1", None, "gclid=Cj0", "google", "Cross-network"),
    ("google", "cpc", "spring shopping", None, None, "google", "Paid Shopping"),
    ("facebook", "paid_social", "shop", None, None, "facebook", "Paid Shopping"),
    ("amazon", "cpc", None, None, None, "amazon", "Paid Shopping"),
    (None, None, "shopping de", None, "gclid=Cj0", "google", "Paid Shopping"),
    (None, None, None, SHOP, None, "amazon.de", "Referral"),
    ("amazon.com", "referral", None, None, None, "amazon.com", "Organic Shopping"),
    ("news", "email", "shop opening", None, None, "news", "Organic Shopping"),
    ("news", "email", "workshop", None, None, "news", "Email"),
    # paid search
    ("google", "cpc", None, None, None, "google", "Paid Search"),
    ("Google", "CPC", "Brand", None, None, "google", "Paid Search"),
    ("bing", "ppc", None, None, None, "bing", "Paid Search"),
    (None, None, None, None, "gclid=Cj0", "google", "Paid Search"),
    (None, None, None, GOOGLE, "gclid=Cj0", "google", "Paid Search"),
    (None, None, None, None, "gbraid=0AA", "google", "Paid Search"),
    (None, None, None, None, "wbraid=0AA", "google", "Paid Search"),
    (None, None, None, BING, "msclkid=ab", "bing", "Paid Search"),
    ("google", "cpc", None, BING, "msclkid=ab", "bing", "Paid Search"),  # campaigns imported from Google Ads
    ("adwords", "cpc", None, None, "gclid=Cj0", "google", "Paid Search"),
    ("newsletter", "email", None, None, "gclid=Cj0", "google", "Paid Search"),
    # paid social: fbclid alone is not paid
    ("facebook", "paid_social", None, None, "fbclid=IwAR", "facebook", "Paid Social"),
    ("ig", "paid", None, None, "fbclid=IwAR", "ig", "Paid Social"),
    ("linkedin", "cpc", None, None, None, "linkedin", "Paid Social"),
    (None, None, None, LINKEDIN, "li_fat_id=ab", "linkedin", "Paid Social"),
    ("linkedin", "social", None, LINKEDIN, "li_fat_id=ab", "linkedin", "Paid Social"),
    (None, None, None, None, "ttclid=E.C", "tiktok", "Paid Social"),
    (None, None, None, "https://t.co/x", "twclid=2-ab", "twitter", "Paid Social"),
    (None, None, None, FACEBOOK, "fbclid=IwAR", "facebook", "Organic Social"),
    (None, None, None, None, "fbclid=IwAR", "facebook", "Organic Social"),
    ("facebook", "cpm", None, None, None, "facebook", "Paid Social"),
    # paid video, display, other paid
    ("youtube", "cpv", None, None, None, "youtube", "Paid Video"),
    ("youtube", "paid_video", None, None, "gclid=Cj0", "youtube", "Paid Video"),
    ("youtube", "video", None, None, "gclid=Cj0", "youtube", "Paid Video"),
    ("google", "display", None, None, "gclid=Cj0", "google", "Display"),
    (None, None, None, None, "dclid=CO", "google", "Display"),
    ("adnetwork", "banner", None, None, None, "adnetwork", "Display"),
    ("adnetwork", "cpm", None, BLOG, None, "adnetwork", "Display"),
    ("adnetwork", "cpc", None, None, None, "adnetwork", "Paid Other"),
    ("criteo", "retargeting", None, None, None, "criteo", "Paid Other"),
    ("taboola", "paid_content", None, None, None, "taboola", "Paid Other"),
    # organic
    ("facebook", None, None, None, None, "facebook", "Organic Social"),
    ("buffer", "social", None, None, None, "buffer", "Organic Social"),
    (None, None, None, LINKEDIN, None, "linkedin", "Organic Social"),
    (None, None, None, "https://bsky.app/", None, "bluesky", "Organic Social"),
    (None, None, None, "android-app://com.linkedin.android/", None, "linkedin", "Organic Social"),
    (None, None, None, YOUTUBE, None, "youtube", "Organic Video"),
    ("partner", "short-video", None, None, None, "partner", "Organic Video"),
    (None, None, None, GOOGLE, None, "google", "Organic Search"),
    (None, None, None, BING, None, "bing", "Organic Search"),
    (None, None, None, "https://www.google.com.br/", None, "google", "Organic Search"),
    (None, None, None, "android-app://com.google.android.googlequicksearchbox/", None, "google", "Organic Search"),
    ("newengine", "organic", None, None, None, "newengine", "Organic Search"),
    # the rest
    (None, None, None, BLOG, None, "blog.example.org", "Referral"),
    (None, None, None, CHATGPT, None, "chatgpt", "Referral"),
    (None, None, None, "https://www.perplexity.ai/search", None, "perplexity", "Referral"),
    (None, None, None, "https://x.com/i/grok?conversation=1", None, "grok", "Referral"),
    ("partner", "app", None, None, None, "partner", "Referral"),
    ("Newsletter", "Email", "March", GOOGLE, None, "newsletter", "Email"),
    ("newsletter", "e-mail", None, None, None, "newsletter", "Email"),
    ("newsletter", "newsletter", None, None, None, "newsletter", "Unassigned"),
    ("partner", "affiliate", None, None, None, "partner", "Affiliates"),
    ("spotify", "audio", None, None, None, "spotify", "Audio"),
    ("twilio", "sms", None, None, None, "twilio", "SMS"),
    ("app", "web-push", None, None, None, "app", "Mobile Push Notifications"),
    ("chatgpt.com", None, None, CHATGPT, None, "chatgpt.com", "Unassigned"),
    (None, "email", None, None, None, "(not set)", "Email"),
]
# Click ids that are read out of links only.
IN_LINKS = [
    (None, None, None, None, "rdt_cid=1", "reddit", "Paid Social"),
    (None, None, None, None, "epik=dj0", "pinterest", "Paid Social"),
    (None, None, None, None, "qclid=1", "quora", "Paid Social"),
    (None, None, None, None, "ScCid=1", "snapchat", "Paid Social"),
    (None, None, None, None, "yclid=1", "yandex", "Paid Search"),
    (None, None, None, None, "gad_source=1", "google", "Paid Search"),
    (None, None, None, None, "gclsrc=aw.ds", "(direct)", "Direct"),
    (None, None, None, None, "igshid=1", "instagram", "Organic Social"),
    (None, None, None, "https://l.instagram.com/", "igsh=1", "instagram", "Organic Social"),
    (None, None, None, "https://mail.google.com/", "mc_cid=1", "mailchimp", "Email"),
    (None, None, None, BLOG, "irclid=1", "impact", "Affiliates"),
    ("partner", "affiliate", None, BLOG, "irclid=1", "partner", "Affiliates"),
    (None, None, None, None, "mc_eid=1", "(direct)", "Direct"),
    (None, None, None, None, "_kx=1", "(direct)", "Direct"),
    (None, None, None, None, "ctwa_clid=ARA", "(direct)", "Direct"),
    (None, None, None, None, "GCLID=Cj0", "google", "Paid Search"),
]


def touch(**fields):
    lead = Lead(UUID(int=1), "default", "web_form", "hot", NOW, NOW, "x@1", fields, person_id=UUID(int=2))
    return touch_of(lead)


def named(source, medium, campaign, click):
    said = {"utm_source": source, "utm_medium": medium, "utm_campaign": campaign}
    if click:
        name, _, value = click.partition("=")
        said[name] = value
    return {name: value for name, value in said.items() if value is not None}


@pytest.mark.parametrize(("source", "medium", "campaign", "referrer", "click", "told", "channel"), CASES + IN_LINKS)
def test_a_link_leads_to_its_channel(source, medium, campaign, referrer, click, told, channel):
    page = f"https://www.example.com/demo?{urlencode(named(source, medium, campaign, click))}"
    made = touch(page_url=page, **({"referrer": referrer} if referrer else {}))
    assert (made.source, made.channel) == (told, channel)


@pytest.mark.parametrize(("source", "medium", "campaign", "referrer", "click", "told", "channel"), CASES)
def test_the_same_as_fields_of_a_form_leads_to_the_same_channel(
    source, medium, campaign, referrer, click, told, channel
):
    fields = named(source, medium, campaign, click)
    made = touch(page_url="https://www.example.com/demo", **fields, **({"referrer": referrer} if referrer else {}))
    assert (made.source, made.channel) == (told, channel)


def test_every_channel_and_every_click_id_of_the_interface_has_a_case():
    assert {case[-1] for case in CASES} == set(CHANNELS)
    clicks = {case[4].partition("=")[0] for case in CASES + IN_LINKS if case[4]}
    assert set(CLICK_IDS) <= clicks
    assert len(CASES) >= 60


def test_the_tables_agree_with_each_other():
    platforms, table = vocabulary("platforms"), vocabulary("click_ids")
    assert {entry.get("part_of") for entry in platforms.values()} - {None} <= set(platforms)
    assert set(CLICK_IDS) <= set(table)
    paid = {name: entry for name, entry in table.items() if entry.get("paid")}
    assert {name for name, entry in paid.items() if platform_of(entry["source"]) is None} == set()
    for entry in (*paid.values(), *({"source": one["source"], "medium": one["paid"]} for one in platforms.values())):
        assert channel_of(entry["source"], entry["medium"]).startswith(("Paid", "Display"))
    for name in ("passing_hosts", "android_apps"):
        assert all(host == host.lower() for host in vocabulary(name))


# platform, is_organic, other fields -> source, medium, channel
NATIVE_FORMS = [
    ("meta", "false", {"form_id": "550066", "ad_id": "238001"}, "facebook", "paid_social", "Paid Social"),
    ("Meta", None, {"form_id": "550066"}, "facebook", "paid_social", "Paid Social"),
    ("fb", "true", {"form_id": "550066"}, "facebook", "social", "Organic Social"),
    ("ig", "false", {}, "instagram", "paid_social", "Paid Social"),
    ("ig", True, {}, "instagram", "social", "Organic Social"),
    ("google", None, {"campaign_id": "23729418209", "gclid": "Cj0"}, "google", "cpc", "Paid Search"),
    ("Google Ads", "no", {}, "google", "cpc", "Paid Search"),
    ("google", "no", {"campaign_name": "PMax Cross-network"}, "google", "cpc", "Cross-network"),
    ("linkedin", False, {"campaign_id": "456"}, "linkedin", "paid_social", "Paid Social"),
    ("linkedin", "yes", {}, "linkedin", "social", "Organic Social"),
    ("tiktok", None, {"ad_id": "1790000000000005"}, "tiktok", "paid_social", "Paid Social"),
    ("x", None, {}, "twitter", "paid_social", "Paid Social"),
    ("bing", None, {}, "bing", "cpc", "Paid Search"),
    ("youtube", None, {}, "youtube", "cpv", "Paid Video"),
    ("youtube", "1", {}, "youtube", "video", "Organic Video"),
    ("snap", None, {}, "snapchat", "paid_social", "Paid Social"),
    # the form's hidden fields may say more, if they speak of the same platform
    ("meta", None, {"utm_source": "ig", "utm_medium": "paid"}, "instagram", "paid", "Paid Social"),
    ("meta", None, {"utm_source": "newsletter", "utm_medium": "email"}, "facebook", "paid_social", "Paid Social"),
    ("google", None, {"utm_source": "google", "utm_medium": "display"}, "google", "display", "Display"),
    # the platform's word is stronger than a click id of another platform, UTMs and the referrer
    ("linkedin", None, {"gclid": "Cj0"}, "linkedin", "paid_social", "Paid Social"),
    ("tiktok", None, {"referrer": "https://www.google.com/"}, "tiktok", "paid_social", "Paid Social"),
    # a platform nobody knows is no evidence
    ("my platform", None, {}, "(direct)", "(none)", "Direct"),
    ("ios", None, {"utm_source": "google", "utm_medium": "cpc"}, "google", "cpc", "Paid Search"),
    # without a platform, the id of an ad says that it was paid for, and no more
    (None, None, {"campaign_id": "1", "ad_id": "2", "form_id": "3"}, "(not set)", "paid", "Paid Other"),
]


@pytest.mark.parametrize(("platform", "is_organic", "fields", "source", "medium", "channel"), NATIVE_FORMS)
def test_a_native_lead_form_needs_no_utm(platform, is_organic, fields, source, medium, channel):
    said = {"platform": platform, "is_organic": is_organic}
    made = touch(**{name: value for name, value in said.items() if value is not None}, **fields)
    assert (made.source, made.medium, made.channel) == (source, medium, channel)


# what hangs on the page's address -> utm_source, utm_medium, utm_campaign as they came
LINKS = [
    ("?utm_source=Bing&utm_medium=CPC&utm_campaign=Spring%20Sale", "Bing", "CPC", "Spring Sale"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=spring+sale", "bing", "cpc", "spring sale"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=spring%2Bsale", "bing", "cpc", "spring+sale"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=spring%2520sale", "bing", "cpc", "spring sale"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=spring%252520sale", "bing", "cpc", "spring sale"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=100%25", "bing", "cpc", "100%"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=100%", "bing", "cpc", "100%"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=Fr%C3%BChling", "bing", "cpc", "Frühling"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=Fr%FChling", "bing", "cpc", "Frühling"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=Frühling", "bing", "cpc", "Frühling"),
    ("?utm_source=bing&amp;utm_medium=cpc&amp;utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&amp;amp;utm_medium=cpc&amp;amp;utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&#38;utm_medium=cpc&#x26;utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&AMP;utm_medium=cpc&AMP;utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&amp%3Butm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing?utm_medium=cpc?utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing;utm_medium=cpc;utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source%3Dbing%26utm_medium%3Dcpc%26utm_campaign%3Da", "bing", "cpc", "a"),
    ("?utm%5Fsource=bing&utm%5Fmedium=cpc&utm%5Fcampaign=a", "bing", "cpc", "a"),
    ("?UTM_SOURCE=bing&Utm_Medium=cpc&utm_Campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&utm_medium=&utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&utm_source=google&utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source= bing &utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=why%3F", "bing", "cpc", "why?"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=a%26b", "bing", "cpc", "a&b"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=a=b", "bing", "cpc", "a=b"),
    ("#utm_source=bing&utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("#/pricing?utm_source=bing&utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("#!/?utm_source=bing&utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing#utm_medium=cpc&utm_campaign=a", "bing", "cpc", "a"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=a#utm_source=google", "bing", "cpc", "a"),
    ("?q=1&utm_source=bing&page=2&utm_medium=cpc&utm_campaign=a&x", "bing", "cpc", "a"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=a%00b", "bing", "cpc", "ab"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=a%0Ab", "bing", "cpc", "a b"),
    ("?utm_source=bing&utm_medium=cpc&utm_campaign=" + "x" * 400, "bing", "cpc", "x" * 255),
    ("?utm_source&utm_medium=cpc&utm_campaign=a", None, "cpc", "a"),
    ("?utm_source=%20&utm_medium=cpc&utm_campaign=a", None, "cpc", "a"),
    ("?my_utm_source=bing&utm_medium=cpc&utm_campaign=a", None, "cpc", "a"),
]


@pytest.mark.parametrize(("tail", "source", "medium", "campaign"), LINKS)
def test_parameters_are_read_out_of_whatever_became_of_a_link(tail, source, medium, campaign):
    made = touch(page_url=f"https://www.example.com/demo{tail}")
    assert (made.utm_source, made.utm_medium, made.utm_campaign) == (source, medium, campaign)
    assert made.landing_path == "/demo"


@pytest.mark.parametrize("ampersand", ["&", "&amp;", "&amp;amp;", "&#38;", "&#038;", "&#x26;", "&AMP;", "&amp%3B"])
def test_a_click_id_is_found_behind_any_ampersand(ampersand):
    made = touch(page_url=f"https://www.example.com/demo?a=1{ampersand}gclid=Cj0")
    assert made.click_ids == {"gclid": "Cj0"}


def test_an_address_that_was_encoded_as_a_whole_is_read_too():
    made = touch(page_url="https%3A%2F%2Fwww.example.com%2Fdemo%3Futm_source%3Dbing%26utm_medium%3Dcpc")
    assert (made.source, made.channel, made.landing_path) == ("bing", "Paid Search", "/demo")


def test_the_newer_utms_are_kept_among_the_details():
    page = (
        "https://www.example.com/?utm_source_platform=DV360&utm_creative_format=video&utm_marketing_tactic=remarketing"
    )
    assert touch(page_url=page).details == {
        "utm_source_platform": "DV360",
        "utm_creative_format": "video",
        "utm_marketing_tactic": "remarketing",
    }


def test_case_stays_in_what_came_and_goes_from_what_reports_group_by():
    made = touch(utm_source="LinkedIn", utm_medium="Paid_Social", utm_campaign="Q1 Launch DE")
    assert (made.utm_source, made.utm_medium) == ("LinkedIn", "Paid_Social")
    assert (made.source, made.medium, made.campaign) == ("linkedin", "paid_social", "Q1 Launch DE")
    assert touch(utm_source="LINKEDIN", utm_medium="PAID_SOCIAL").source == made.source


@pytest.mark.parametrize(
    "left", ["{{campaign.name}}", "{campaignid}", "__CAMPAIGN_NAME__", "%%CAMPAIGN%%", "undefined"]
)
def test_a_placeholder_nobody_filled_in_is_kept_as_it_came_but_names_no_campaign(left):
    made = touch(utm_campaign=left, utm_source="google", utm_medium="cpc")
    assert (made.utm_campaign, made.campaign) == (left, None)
