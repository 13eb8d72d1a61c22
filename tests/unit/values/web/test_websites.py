from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.values.web.websites import company_domain, normalize_linkedin_url, normalize_website

WEBSITES = [
    ("https://acme.example", "https://acme.example", ()),
    ("https://www.acme.example/", "https://www.acme.example/", ()),
    ("http://acme.example/Path?Q=1#x", "http://acme.example/Path?Q=1#x", ()),
    ("acme.example", "acme.example", ()),
    ("www.acme.example", "www.acme.example", ()),
    ("//acme.example/a", "acme.example/a", ()),
    ("HTTPS://WWW.ACME.EXAMPLE/Path", "https://www.acme.example/Path", ()),
    ("Acme.Example", "acme.example", ()),
    (" https://acme.example ", "https://acme.example", ()),
    ("<https://acme.example>", "https://acme.example", ()),
    ('"acme.example"', "acme.example", ()),
    ("http//acme.example", "http://acme.example", ()),
    ("http:/acme.example", "http://acme.example", ()),
    ("http:acme.example", "http://acme.example", ()),
    ("http:\\\\acme.example", "http://acme.example", ()),
    ("htttp://acme.example", "http://acme.example", ()),
    ("http://https://acme.example", "https://acme.example", ()),
    ("https://http://acme.example", "http://acme.example", ()),
    ("https://acme.example:8443/x", "https://acme.example:8443/x", ()),
    ("acme.example:8080", "acme.example:8080", ()),
    ("https://acme.example./x", "https://acme.example/x", ()),
    ("https://user:secret@acme.example/x", "https://acme.example/x", ()),
    ("müller.de", "müller.de", ()),
    ("MÜLLER.DE", "müller.de", ()),
    ("https://xn--mller-kva.de", "https://xn--mller-kva.de", ()),
    ("https://пример.рф", "https://пример.рф", ()),
    ("http://192.0.2.7/shop", "http://192.0.2.7/shop", ()),
    ("acme.example, acme-shop.example", "acme.example", ("several_values",)),
    ("acme.example; acme.example", "acme.example", ()),
    ("www.acme.example (Shop)", "www.acme.example", ("text_removed",)),
    ("https://www.facebook.com/acme", "https://www.facebook.com/acme", ("social_page",)),
    ("instagram.com/acme", "instagram.com/acme", ("social_page",)),
    ("https://linktr.ee/acme", "https://linktr.ee/acme", ("social_page",)),
    ("https://de-de.facebook.com/acme", "https://de-de.facebook.com/acme", ("social_page",)),
    ("ada@acme.example", None, ("email_as_website",)),
    ("mailto:ada@acme.example", None, ("email_as_website",)),
    ("n/a", None, ("blank",)),
    ("none", None, ("blank",)),
    ("-", None, ("blank",)),
    ("http://", None, ("not_a_website",)),
    ("www.", None, ("not_a_website",)),
    ("www.com", None, ("not_a_website",)),
    ("localhost", None, ("not_a_website",)),
    ("javascript:alert(1)", None, ("not_a_website",)),
    ("ftp://acme.example/x", None, ("not_a_website",)),
    ("https://acme..example", None, ("not_a_website",)),
    ("https://-acme.example", None, ("not_a_website",)),
    ("1.5", None, ("not_a_website",)),
    ("We have no website yet", None, ("not_a_website",)),
    ("https://" + "a" * 3000 + ".example", None, ("not_a_website",)),
    (" ", None, ("blank",)),
    ("", None, ()),
]

PROFILES = [
    ("https://linkedin.com/in/ada", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/in/Ada-Brandt/", "https://linkedin.com/in/ada-brandt", ()),
    ("http://linkedin.com/in/ada?trk=x", "https://linkedin.com/in/ada", ()),
    ("linkedin.com/in/ada", "https://linkedin.com/in/ada", ()),
    ("www.linkedin.com/in/ada#about", "https://linkedin.com/in/ada", ()),
    ("https://de.linkedin.com/in/ada", "https://linkedin.com/in/ada", ()),
    ("https://m.linkedin.com/in/ada", "https://linkedin.com/in/ada", ()),
    ("https://touch.linkedin.com/in/ada", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/mwlite/in/ada", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/in/ada/de", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/in/ada/?locale=es_ES", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/in/ada/recent-activity/", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com//in/ada", "https://linkedin.com/in/ada", ()),
    ("HTTPS://LINKEDIN.COM/IN/ADA", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/in/jos%C3%A9-p%C3%A9rez", "https://linkedin.com/in/josé-pérez", ()),
    ("https://www.linkedin.com/in/josé-pérez", "https://linkedin.com/in/josé-pérez", ()),
    ("https://www.linkedin.com/in/ada-brandt-8b1a2b3/", "https://linkedin.com/in/ada-brandt-8b1a2b3", ()),
    ("/in/ada", "https://linkedin.com/in/ada", ()),
    ("in/ada", "https://linkedin.com/in/ada", ()),
    ("LinkedIn: https://www.linkedin.com/in/ada", "https://linkedin.com/in/ada", ()),
    ("linkedin.com/in/ada; linkedin.com/in/bo-x", "https://linkedin.com/in/ada", ("several_values",)),
    ("https://www.linkedin.cn/in/ada", "https://linkedin.com/in/ada", ()),
    ("https://www.linkedin.com/company/acme", None, ("not_a_profile",)),
    ("https://www.linkedin.com/in/me", None, ("not_a_profile",)),
    ("https://www.linkedin.com/in/me/", None, ("not_a_profile",)),
    ("https://www.linkedin.com/in/edit/", None, ("not_a_profile",)),
    ("https://www.linkedin.com/in/unavailable/", None, ("not_a_profile",)),
    ("in/Me", None, ("not_a_profile",)),
    ("https://www.linkedin.com/school/acme", None, ("not_a_profile",)),
    ("https://www.linkedin.com/showcase/acme", None, ("not_a_profile",)),
    ("https://www.linkedin.com/profile/view?id=1234", None, ("not_a_profile",)),
    ("https://www.linkedin.com/sales/lead/ACwAAA,NAME", None, ("not_a_profile",)),
    ("https://www.linkedin.com/feed/", None, ("not_a_profile",)),
    ("https://www.linkedin.com/in/", None, ("not_a_profile",)),
    ("https://lnkd.in/abc", None, ("not_a_profile",)),
    ("https://notlinkedin.com/in/ada", None, ("not_a_profile",)),
    ("https://linkedin.com.evil.example/in/ada", None, ("not_a_profile",)),
    ("https://www.facebook.com/ada", None, ("not_a_profile",)),
    ("ada@acme.example", None, ("not_a_profile",)),
    ("Ada Brandt", None, ("not_a_profile",)),
    ("n/a", None, ("blank",)),
    (" ", None, ("blank",)),
    ("", None, ()),
]

# (website, e-mail) -> domain
DOMAINS = [
    ("https://www.acme.example", None, "acme.example"),
    ("https://www.brandt.de/kontakt", None, "brandt.de"),
    ("brandt.de", None, "brandt.de"),
    ("http://shop.brandt.co.uk:8080", None, "brandt.co.uk"),
    ("https://www.padaria.com.br/", None, "padaria.com.br"),
    ("https://aceros.com.mx", None, "aceros.com.mx"),
    ("https://tienda.aceros.mx", None, "aceros.mx"),
    ("https://brandt.uk.com", None, "brandt.uk.com"),
    ("https://brandt.com.de", None, "brandt.com.de"),
    ("https://www.brandt.jpn.com", None, "brandt.jpn.com"),
    ("https://a.b.c.kawasaki.jp", None, "b.c.kawasaki.jp"),
    ("https://city.kawasaki.jp", None, "city.kawasaki.jp"),
    ("müller.de", None, "xn--mller-kva.de"),
    ("https://XN--MLLER-KVA.de", None, "xn--mller-kva.de"),
    ("https://brandt.berlin", None, "brandt.berlin"),
    ("https://brandt.gob.mx", None, "brandt.gob.mx"),
    ("https://brandt.edu.co", None, "brandt.edu.co"),
    ("https://brandt.k12.ca.us", None, "brandt.k12.ca.us"),
    ("https://www.www.de", None, "www.de"),
    ("https://ada@brandt.de", None, None),
    ("https://brandt.wixsite.com/home", None, None),
    ("https://brandt.myshopify.com", None, None),
    ("https://brandt.github.io", None, None),
    ("https://brandt.blogspot.com", None, None),
    ("https://brandt.wordpress.com", None, None),
    ("https://brandt.netlify.app", None, None),
    ("https://brandt.azurewebsites.net", None, None),
    ("https://sites.google.com/view/brandt", None, None),
    ("https://wixsite.com", None, None),
    ("https://www.facebook.com/brandt", None, None),
    ("https://m.facebook.com/brandt", None, None),
    ("https://instagram.com/brandt", None, None),
    ("https://linktr.ee/brandt", None, None),
    ("https://www.linkedin.com/company/brandt", None, None),
    ("https://wa.me/4930123456", None, None),
    ("https://t.me/brandt", None, None),
    ("https://youtu.be/x", None, None),
    ("https://bit.ly/x", None, None),
    ("https://g.page/brandt", None, None),
    ("co.uk", None, None),
    ("com.br", None, None),
    ("http://192.0.2.7", None, None),
    ("localhost", None, None),
    ("https://intranet", None, None),
    ("", None, None),
    (None, "ada@brandt.de", "brandt.de"),
    (None, "ada@mail.brandt.de", "brandt.de"),
    (None, "ada@brandt.com.br", "brandt.com.br"),
    (None, "ada@sales.brandt.co.uk", "brandt.co.uk"),
    (None, "info@brandt.de", "brandt.de"),
    (None, "ADA@BRANDT.DE", "brandt.de"),
    (None, "ada@github.com", "github.com"),
    (None, "ada@gmail.com", None),
    (None, "ada@googlemail.com", None),
    (None, "ada@hotmail.es", None),
    (None, "ada@outlook.com", None),
    (None, "ada@yahoo.com.mx", None),
    (None, "ada@web.de", None),
    (None, "ada@gmx.net", None),
    (None, "ada@uol.com.br", None),
    (None, "ada@orange.fr", None),
    (None, "ada@gmial.com", None),
    (None, "ada@mailinator.com", None),
    (None, "not an address", None),
    ("https://acme.de", "ada@brandt.de", "acme.de"),
    ("https://www.facebook.com/brandt", "ada@brandt.de", "brandt.de"),
    ("https://brandt.wixsite.com", "ada@gmail.com", None),
    (None, None, None),
]


@pytest.mark.parametrize(("text", "value", "flags"), WEBSITES)
def test_a_website_is_kept_as_written_with_its_host_in_small_letters(text, value, flags):
    found = normalize_website(text)
    assert (found.value, found.flags) == (value, flags)
    assert found.raw == (None if text == (value or "") else text)


@pytest.mark.parametrize(("text", "value", "flags"), PROFILES)
def test_a_linkedin_profile_has_one_spelling(text, value, flags):
    found = normalize_linkedin_url(text)
    assert (found.value, found.flags) == (value, flags)
    assert found.raw == (None if text == (value or "") else text)


@pytest.mark.parametrize(("website", "email", "domain"), DOMAINS)
def test_a_company_is_known_by_the_domain_that_is_its_own(website, email, domain):
    assert company_domain({"website": website, "email": email}) == domain


def test_a_second_address_may_be_the_one_from_work():
    assert company_domain({"email": "ada@gmail.com", "other_emails": ["ada@web.de", "ada@brandt.de"]}) == "brandt.de"


@pytest.mark.parametrize("values", [{}, {"website": 5}, {"email": 5, "other_emails": "x@y.de"}, {"website": ["x"]}])
def test_values_of_other_types_have_no_domain(values):
    assert company_domain(values) is None


PIECES = [
    "http",
    "https",
    ":",
    "//",
    "/",
    "\\",
    "www.",
    "Acme.de",
    "linkedin.com",
    "/in/",
    "Ada",
    "%C3%A9",
    "%25",
    "@",
    " ",
    "?x",
]


@pytest.mark.parametrize("normalize", [normalize_website, normalize_linkedin_url])
@given(text=st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=8).map("".join)))
@example(text="http://https://acme.de")
def test_an_address_normalized_twice_is_the_same(normalize, text):
    once = normalize(text)
    if once.value is not None:
        assert normalize(once.value).value == once.value
        assert normalize(once.value).raw is None


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_text_has_a_domain_or_none(website, email):
    domain = company_domain({"website": website, "email": email, "other_emails": [f"x@{email}"]})
    assert domain is None or company_domain({"website": domain}) in (domain, None)
