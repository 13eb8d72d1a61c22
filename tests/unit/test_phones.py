from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.phones import normalize_phone

# what was typed, regions in question, E.164 or None, flags
CASES = [
    ("+1 415 555 0132", (), "+14155550132", ()),
    ("1 (202) 555-0143", ("US",), "+12025550143", ()),
    ("202.555.0143", ("US",), "+12025550143", ()),
    ("(202)555-0143x6619", ("US",), "+12025550143", ("extension",)),
    ("+44 20 7946 0018 ext. 12", (), "+442079460018", ("extension",)),
    ("+44 20 7946 0018 #12", (), "+442079460018", ("extension",)),
    ("001-415-555-2671", ("US",), "+14155552671", ()),
    ("0049 30 23125 123", (), "+493023125123", ()),
    ("00 39 06 12345678", (), "+390612345678", ()),
    ("011 44 20 7946 0018", ("US",), "+442079460018", ()),
    ("011 44 20 7946 0018", (), "+442079460018", ("prefix_assumed",)),
    ("+49 (0)30 23125123", (), "+493023125123", ()),
    ("0044 (0)20 7946 0018", (), "+442079460018", ()),
    ("(+34) 600111222", (), "+34600111222", ()),
    ("030/23125123", ("DE",), "+493023125123", ()),
    ("01 99 00 12 34", ("FR",), "+33199001234", ()),
    ("06 12345678", ("IT",), "+390612345678", ()),
    ("tel:+34-600-111-222", (), "+34600111222", ()),
    ("whatsapp: +34 600 111 222", (), "+34600111222", ()),
    ("Mobile: 415-555-2671", ("US",), "+14155552671", ()),
    ("415-555-2671 (mobile)", ("US",), "+14155552671", ()),
    ("'+34600111222", (), "+34600111222", ()),
    ('="+34600111222"', (), "+34600111222", ()),
    ("491701234567.0", ("DE",), "+491701234567", ()),
    ("\u200e+34 600 111 222\u202c", (), "+34600111222", ()),
    ("+34 600 111 222\x00", (), "+34600111222", ()),
    ("＋４４ 20 7946 0018", (), "+442079460018", ()),
    ("+١٢٠٢٥٥٥٠١٤٣", (), "+12025550143", ()),
    ("1-800-FLOWERS", ("US",), "+18003569377", ()),
    # no prefix: the first region where it is valid; without a region only eleven digits and more speak for themselves
    ("020 7946 0018", ("US", "GB"), "+442079460018", ("other_region",)),
    ("020 7946 0018", ("GB", "US"), "+442079460018", ()),
    ("34640347360", (), "+34640347360", ("prefix_assumed",)),
    ("600111222", (), None, ("region_unknown",)),
    ("41791234567", ("US",), None, ("impossible_number",)),  # as well a national number with a typo
    ("4915159645391", ("DE",), "+4915159645391", ()),
    ("4915159645391", ("MX", "DE"), "+4915159645391", ("other_region",)),
    ("5215512345678", ("US",), "+525512345678", ("prefix_assumed", "old_format")),
    # old numbering plans
    ("+52 1 999 709 8083", (), "+529997098083", ("old_format",)),
    ("5219997098083", ("MX",), "+529997098083", ("old_format",)),
    ("044 55 1234 5678", ("MX",), "+525512345678", ("old_format",)),
    ("045 55 1234 5678", ("MX",), "+525512345678", ("old_format",)),
    ("01 55 5123 4567", ("MX",), "+525551234567", ("old_format",)),
    ("+55 41 8170-3447", (), "+5541981703447", ("old_format",)),
    ("554161703447", ("BR",), "+5541961703447", ("old_format",)),
    ("(11) 98123-4567", ("BR",), "+5511981234567", ()),
    ("0 15 11 98123-4567", ("BR",), "+5511981234567", ()),
    ("011 15-2345-6789", ("AR",), "+5491123456789", ()),
    ("+54 9 11 2345 6789", (), "+5491123456789", ()),
    # not to be used, each for its own reason
    ("280-396-7929", ("US",), None, ("invalid_number",)),  # possible: ten digits; there is no area code 280
    ("493.909.5597", ("US",), None, ("invalid_number",)),
    ("+999 123456789", (), None, ("invalid_number",)),
    ("12345", ("US",), None, ("impossible_number",)),
    ("+1 202 555 01434444", (), None, ("impossible_number",)),
    ("5555555555", ("MX",), None, ("placeholder",)),
    ("9999999999", ("BR",), None, ("placeholder",)),
    ("0000000000", ("US",), None, ("invalid_number",)),
    ("1234567890", ("US",), None, ("invalid_number",)),
    ("4.91701E+11", ("DE",), None, ("scientific_notation",)),
    ("4,91701e11", ("DE",), None, ("scientific_notation",)),
    ("n/a", ("US",), None, ("not_a_phone",)),
    ("call me", ("US",), None, ("not_a_phone",)),
    ("+", (), None, ("not_a_phone",)),
    ("ada@example.org", ("US",), None, ("not_a_phone",)),
]


@pytest.mark.parametrize(("text", "regions", "number", "flags"), CASES)
def test_a_number_becomes_e164_or_says_why_not(text, regions, number, flags):
    found = normalize_phone(text, regions)
    assert (found.value, found.flags) == (number, flags)


@pytest.mark.parametrize(("text", "regions", "number", "flags"), CASES)
def test_the_text_is_kept_wherever_it_changed(text, regions, number, flags):
    raw = normalize_phone(text, regions).raw
    assert (raw is None) == (number == text)
    assert raw is None or raw == text


@pytest.mark.parametrize(
    ("text", "regions", "numbers"),
    [
        ("600111222 / 600333444", ("ES",), ["+34600111222", "+34600333444"]),
        ("0171/1234567; 030/23125123", ("DE",), ["+491711234567", "+493023125123"]),
        ("+34600111222,+34600333444", (), ["+34600111222", "+34600333444"]),
        ("+1 202 555 0143 or +1 202 555 0144", (), ["+12025550143", "+12025550144"]),
        ("+34600111222; +34 600 111 222; call me", (), ["+34600111222"]),
    ],
)
def test_several_numbers_in_one_cell_are_all_found_once(text, regions, numbers):
    found = normalize_phone(text, regions)
    assert [found.value, *found.others] == numbers
    assert "several_values" in found.flags


def test_nothing_is_nothing():
    assert normalize_phone("", ("US",)).value is None
    assert normalize_phone("", ("US",)).flags == ()


@given(st.text(max_size=400), st.sampled_from([(), ("US",), ("DE", "MX"), ("BR",)]))
def test_any_text_gives_a_number_that_stays_as_it_is_or_none(text, regions):
    found = normalize_phone(text, regions)
    if found.value is not None:
        again = normalize_phone(found.value, regions)
        assert again.value == found.value
        assert again.flags == ()
        assert again.raw is None


@given(st.from_regex(r"\+?[0-9()\-. /x;]{5,30}", fullmatch=True), st.sampled_from([("US",), ("DE",), ("MX",), ("BR",)]))
def test_anything_like_a_number_gives_e164_or_a_flag(text, regions):
    found = normalize_phone(text, regions)
    assert found.flags if found.value is None else found.value.startswith("+")
    for other in found.others:
        assert normalize_phone(other).value == other
