from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.emails.emails import normalize_email

GOOD = [
    ("*ada@example.org*", "ada@example.org"),
    ("**ada@example.org**", "ada@example.org"),
    ("* ada@example.org", "ada@example.org"),
    ("Ada@Example.Com", "ada@example.com"),
    ("ada@example.org", "ada@example.org"),
    ("Ada@Example.ORG", "ada@example.org"),
    ("  ada@example.org\t", "ada@example.org"),
    ("mailto:ada@example.org", "ada@example.org"),
    ("MAILTO:Ada@example.org?subject=Hi", "ada@example.org"),
    ("Ada Brandt <ada@example.org>", "ada@example.org"),
    ('"Brandt, Ada" <ada@example.org>', "ada@example.org"),
    ("<ada@example.org>", "ada@example.org"),
    ("'ada@example.org'", "ada@example.org"),
    ("“ada@example.org”", "ada@example.org"),
    ("ada@example.org.", "ada@example.org"),
    ("ada@example.org,", "ada@example.org"),
    ("ada @ example.org", "ada@example.org"),
    ("ada@ example . org", "ada@example.org"),
    ("ada@example.org (work)", "ada@example.org"),
    ("E-Mail: ada@example.org", "ada@example.org"),
    ("ada＠example.org", "ada@example.org"),
    ("ada\u200b@example.org", "ada@example.org"),
    ("ada@example.org\x00", "ada@example.org"),
    ("ada@münchen.de", "ada@xn--mnchen-3ya.de"),
    ("ADA@MÜNCHEN.DE", "ada@xn--mnchen-3ya.de"),
    ("ada@xn--mnchen-3ya.de", "ada@xn--mnchen-3ya.de"),
    ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
    ("josé@example.org", "josé@example.org"),
    ("jose\u0301@example.org", "josé@example.org"),
    ('"a b"@example.org', '"a b"@example.org'),
    ("ada+tag@example.org", "ada+tag@example.org"),
    ("o'neil@example.org", "o'neil@example.org"),
    ("a/b@example.org", "a/b@example.org"),
    ("a.b_c-d@sub.example.co.uk", "a.b_c-d@sub.example.co.uk"),
    ("o@b.co", "o@b.co"),
    ("ada@brandt.example", "ada@brandt.example"),
    ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
    ("ada@customer.test", "ada@customer.test"),  # reserved for tests: installations made for them use it
    ('"ada@example.org"', "ada@example.org"),
    ('"ada"@example.org', "ada@example.org"),  # quotes that quote nothing
    ('"a\\"b"@example.org', '"a\\"b"@example.org'),
    ("ａｄａ＠ｅｘａｍｐｌｅ．ｏｒｇ", "ada@example.org"),
    ("ada@example。org", "ada@example.org"),
    ("ada(work)@example.org", "ada@example.org"),
    ("ada@(work)example.org", "ada@example.org"),
    ("mailto:ada%40example.org", "ada@example.org"),
    ("mailto:ada%2Btag@example.org", "ada+tag@example.org"),
    ("mailto: ada@example.org ", "ada@example.org"),
    ("<mailto:ada@example.org>", "ada@example.org"),
    ("[ada@example.org](mailto:ada@example.org)", "ada@example.org"),
    ('<a href="mailto:ada@example.org?subject=x">write</a>', "ada@example.org"),
    ("Correo: ada@example.org", "ada@example.org"),
    ("Correo electrónico: ada@example.org", "ada@example.org"),
    ('"ada@example.org', "ada@example.org"),
    ("• ada@example.org", "ada@example.org"),
    ("«ada@example.org»", "ada@example.org"),
    ("[ada@example.org]", "ada@example.org"),
    ("ada@example.org...", "ada@example.org"),
    ("ada@example.org/", "ada@example.org"),
    ("ada@example.org!", "ada@example.org"),
    ("ada@example.org;", "ada@example.org"),
    ("ada@example. com", "ada@example.com"),
    ("ada@example .com", "ada@example.com"),
    ("ada . brandt@example.com", "ada.brandt@example.com"),
    ("ada\u00a0@example.org", "ada@example.org"),
    ("\ufeffada@example.org", "ada@example.org"),
    ("ada@ExAmPlE.CO.UK", "ada@example.co.uk"),
    ("ada@1.example.org", "ada@1.example.org"),
    ("ada@a-b.example", "ada@a-b.example"),
    ("_ada@example.org", "_ada@example.org"),
    ("ada-@example.org", "ada-@example.org"),
    ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
    ("θσερ@example.gr", "θσερ@example.gr"),
    ("ada@faß.de", "ada@xn--fa-hia.de"),
]
BAD = [
    "ada",
    "ada@",
    "@example.org",
    "ada@localhost",
    "ada@@example.org",
    "ada.@example.org",
    ".ada@example.org",
    "ad..a@example.org",
    "ada@-example.org",
    "ada@example-.org",
    "ada@.example.org",
    "ada@example..org",
    "ada@exa mple.org",
    "john smith@example.org",
    "ada at example",
    "meet me at example.org",
    "ada(at)example",
    "ada(at)b(at)example.org",
    "ada@example.com m",
    "ada@gmail",
    "ada@gmail,com",
    "ada@example.org@example.org",
    "ada brandt@example.org",
    "ada@example.local",
    "ada@printer.localhost",
    "ada@example.onion",
    "ada@ab--cd.org",
    "ada@xn--zzzzzz99999.org",
    "a" * 250 + "@b.co",
    "ada\\@example.org",
    "ada@exämple",
    "＠",
    "@",
    "ada@exam_ple.org",
    "ada@example.o",
    "ada@example.123",
    "ada@192.0.2.1",
    "ada@[192.0.2.1]",
    "x" * 65 + "@example.org",
    "ada@" + "x" * 64 + ".org",
    "ada@" + "x." * 125 + "org",
    "n/a",
    "none",
    '=HYPERLINK("https://example.org")',
    "https://example.org",
    "+34 600 111 222",
    "\u200b",
    "ada@\ud800.org",
]


@pytest.mark.parametrize(("text", "address"), GOOD)
def test_an_address_gets_its_one_spelling(text, address):
    found = normalize_email(text)
    assert found.value == address
    assert found.flags == ()
    assert found.raw == (None if text == address else text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_is_flagged_and_kept_raw(text):
    found = normalize_email(text)
    assert found.value is None
    assert found.flags == ("invalid_email",)
    assert found.raw == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("text", "address", "flags"),
    [
        ("ada(at)example.org", "ada@example.org", ("deobfuscated",)),
        ("ada [at] example [dot] org", "ada@example.org", ("deobfuscated",)),
        ("ada.brandt {arroba} example {punto} com", "ada.brandt@example.com", ("deobfuscated",)),
        ("ada (ät) example (punkt) de", "ada@example.de", ("deobfuscated",)),
        ("ada at example dot org", "ada@example.org", ("deobfuscated",)),
        ("ada arroba example punto com punto mx", "ada@example.com.mx", ("deobfuscated",)),
        ("ada@example.org call me after five", "ada@example.org", ("text_removed",)),
        ("ada@example.org - home", "ada@example.org", ("text_removed",)),
        ("ada@example.org. Thanks", "ada@example.org", ("text_removed",)),
        ("my e-mail is ada@example.org", "ada@example.org", ("text_removed",)),
        ("Ada, contact: ada@example.org", "ada@example.org", ("text_removed",)),
        ("ada@gmail.com", "ada@gmail.com", ("free_mail",)),
        ("Ada@GMX.de", "ada@gmx.de", ("free_mail",)),
        ("ada@prodigy.net.mx", "ada@prodigy.net.mx", ("free_mail",)),
        ("ada@mailinator.com", "ada@mailinator.com", ("disposable",)),
        ("ada@gmial.com", "ada@gmial.com", ("free_mail", "domain_typo")),
        ("ada@brandt.con", "ada@brandt.con", ("domain_typo",)),
        ("info@example.org", "info@example.org", ("role_address",)),
        ("Ventas@Example.com.mx", "ventas@example.com.mx", ("role_address",)),
        ("contato@gmail.com", "contato@gmail.com", ("free_mail", "role_address")),
        ("ada@gmail.com; bo@example.org", "ada@gmail.com", ("several_values", "free_mail")),
        ("test@test.com", None, ("placeholder",)),
        ("Test@Test.com", None, ("placeholder",)),
        ("asdf@example.org", None, ("placeholder",)),
        ("a.s.d.f+1@gmail.com", None, ("placeholder",)),
        ("noemail@noemail.com", None, ("placeholder",)),
        ("sincorreo@gmail.com", None, ("placeholder",)),
        ("no@tiene.com", None, ("placeholder",)),
        ("na@na.com", None, ("placeholder",)),
        ("no@gmail.com", None, ("placeholder",)),
        ("a@b.com", None, ("placeholder",)),
        ("na@brandt.example", "na@brandt.example", ()),  # Nora Adams
        ("test@brandt.example", "test@brandt.example", ()),  # for the rules over the whole lead to judge
        ("ana@aaa.com", "ana@aaa.com", ()),
        ("asdf@asdf.com; ada@example.org", "ada@example.org", ()),
    ],
)
def test_what_is_noticed_of_an_address_is_flagged(text, address, flags):
    found = normalize_email(text)
    assert (found.value, found.flags) == (address, flags)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@example.org; b@example.org", ["a@example.org", "b@example.org"]),
        ("a@example.org b@example.org", ["a@example.org", "b@example.org"]),
        ("a@example.org/B@example.org", ["a@example.org", "b@example.org"]),
        ("a@example.org\nb@example.org", ["a@example.org", "b@example.org"]),
        ("a@example.org | b@example.org", ["a@example.org", "b@example.org"]),
        ("mailto:a@example.org,b@example.org", ["a@example.org", "b@example.org"]),
        ("Ada <a@example.org>, Bo <b@example.org>", ["a@example.org", "b@example.org"]),
        ("a@example.org, A@example.org , c@example.org", ["a@example.org", "c@example.org"]),
    ],
)
def test_several_addresses_in_one_cell_are_all_found_once(text, addresses):
    found = normalize_email(text)
    assert [found.value, *found.others] == addresses
    assert found.flags == ("several_values",)


def test_words_around_an_address_never_become_part_of_another():
    assert normalize_email("john smith@example.org, b@example.org").value == "b@example.org"


OF_THE_ADDRESS = {"free_mail", "disposable", "domain_typo", "role_address"}  # said of it the second time as well


@given(st.text(max_size=300) | st.emails() | st.from_regex(r"[\w.\-+ <>\"']{0,20}@[\w.\- ]{0,30}", fullmatch=True))
def test_any_text_gives_an_address_that_stays_as_it_is_or_none(text):
    found = normalize_email(text)
    for address in (found.value, *found.others):
        if address is not None:
            again = normalize_email(address)
            assert (again.value, again.raw, again.others) == (address, None, ())
            assert set(again.flags) <= OF_THE_ADDRESS


# Not beginning with a sign that is taken for a wrapping or a bullet and stripped.
ATOM = r"[a-zA-ZÀ-ɏ0-9!#$%&+/=?^_|~.\-][a-zA-ZÀ-ɏ0-9!#$%&'*+/=?^_`{|}~.\-]{,11}"
LABEL = r"[a-zA-Z0-9\-]{1,8}|xn--[a-z0-9\-]{1,8}"


@given(
    st.from_regex(ATOM, fullmatch=True),
    st.lists(st.from_regex(LABEL, fullmatch=True), min_size=1, max_size=3),
    st.sampled_from(
        ["org", "COM", "mx", "museum", "test", "local", "invalid", "arpa", "onion", "localhost", "c", "1x"]
    ),
)
def test_the_fast_way_accepts_nothing_the_library_refuses(local, labels, ending):
    text = "@".join((local, ".".join((*labels, ending))))
    found = normalize_email(text)
    try:
        expected = validate_email(text, check_deliverability=False, globally_deliverable=False, test_environment=True)
    except EmailNotValidError:
        assert found.value is None
        return
    if found.value is None and ("{" in local or "%%" in local):  # ours: a template that nobody filled in
        return
    if found.flags != ("placeholder",) and ending not in ("c", "1x"):  # ours: no ending of one letter, none with digits
        assert found.value == f"{expected.local_part}@{expected.ascii_domain}".lower()


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.comTel",
        "ada@example.comTel 123",
        "ada@example.orgMobile: 030 123",
        "{{email}}@example.org",
        "{{ email }}@example.org",
        "{email}@example.org",
        "${email}@example.org",
        "%%email%%@example.org",
        "ada@{{domain}}.org",
        "a{b}@example.org",
        "*@example.org",  # a bullet or a mask, and no address behind it
        "****@example.org",
        "* @example.org",
    ],
)
def test_what_is_no_whole_address_is_none(text):
    assert normalize_email(text)[:2] == (None, ("invalid_email",))


def test_an_address_beside_one_in_brackets_is_not_dropped():
    found = normalize_email("ada@example.org <bob@example.net>")
    assert {found.value, *found.others} == {"ada@example.org", "bob@example.net"}
    assert "several_values" in found.flags
    assert normalize_email("ada@example.org <ada@example.org>").others == ()
