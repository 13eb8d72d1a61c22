from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.emails import normalize_email

GOOD = [
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
    ("a@b.co", "a@b.co"),
    ("ada@brandt.example", "ada@brandt.example"),
    ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
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
    "ada(at)example.org",
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
    ("text", "addresses"),
    [
        ("a@example.org; b@example.org", ["a@example.org", "b@example.org"]),
        ("a@example.org b@example.org", ["a@example.org", "b@example.org"]),
        ("a@example.org/B@example.org", ["a@example.org", "b@example.org"]),
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


@given(st.text(max_size=300) | st.emails() | st.from_regex(r"[\w.\-+ <>\"']{0,20}@[\w.\- ]{0,30}", fullmatch=True))
def test_any_text_gives_an_address_that_stays_as_it_is_or_none(text):
    found = normalize_email(text)
    for address in (found.value, *found.others):
        if address is not None:
            assert normalize_email(address) == (address, (), None, ())
