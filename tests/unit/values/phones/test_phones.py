from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.phones.phones import normalize_phone, normalize_whatsapp_id

OF_THE_NUMBER = {"fictional", "sequence"}  # said of a number however it is written, so also the second time

# what was typed, regions in question, E.164 or None, flags
CASES = [
    ("+1 415 555 0132", (), "+14155550132", ("fictional",)),
    ("1 (202) 555-0143", ("US",), "+12025550143", ("fictional",)),
    ("202.555.0143", ("US",), "+12025550143", ("fictional",)),
    ("(202)555-0143x6619", ("US",), "+12025550143", ("extension", "fictional")),
    ("+44 20 7946 0018 ext. 12", (), "+442079460018", ("extension", "fictional")),
    ("+44 20 7946 0018 #12", (), "+442079460018", ("extension", "fictional")),
    ("001-415-555-2671", ("US",), "+14155552671", ()),
    ("0049 30 23125 123", (), "+493023125123", ("fictional",)),
    ("00 39 06 12345678", (), "+390612345678", ("sequence",)),
    ("011 44 20 7946 0018", ("US",), "+442079460018", ("fictional",)),
    ("011 44 20 7946 0018", (), "+442079460018", ("prefix_assumed", "fictional")),
    ("+49 (0)30 23125123", (), "+493023125123", ("fictional",)),
    ("0044 (0)20 7946 0018", (), "+442079460018", ("fictional",)),
    ("(+34) 600111222", (), "+34600111222", ()),
    ("030/23125123", ("DE",), "+493023125123", ("fictional",)),
    ("01 99 00 12 34", ("FR",), "+33199001234", ("fictional",)),
    ("06 12345678", ("IT",), "+390612345678", ("sequence",)),
    ("tel:+34-600-111-222", (), "+34600111222", ()),
    ("whatsapp: +34 600 111 222", (), "+34600111222", ()),
    ("Mobile: 415-555-2671", ("US",), "+14155552671", ()),
    ("415-555-2671 (mobile)", ("US",), "+14155552671", ()),
    ("'+34600111222", (), "+34600111222", ()),
    ('="+34600111222"', (), "+34600111222", ()),
    ("491701234567.0", ("DE",), "+491701234567", ("sequence",)),
    ("\u200e+34 600 111 222\u202c", (), "+34600111222", ()),
    ("+34 600 111 222\x00", (), "+34600111222", ()),
    ("＋４４ 20 7946 0018", (), "+442079460018", ("fictional",)),
    ("+١٢٠٢٥٥٥٠١٤٣", (), "+12025550143", ("fictional",)),
    ("1-800-FLOWERS", ("US",), "+18003569377", ("vanity",)),
    # no prefix: the first region where it is valid; without a region only eleven digits and more speak for themselves
    ("020 7946 0018", ("US", "GB"), "+442079460018", ("other_region", "fictional")),
    ("020 7946 0018", ("GB", "US"), "+442079460018", ("fictional",)),
    ("34640347360", (), "+34640347360", ("prefix_assumed",)),
    ("600111222", (), None, ("region_unknown",)),
    ("41791234567", ("US",), None, ("impossible_number",)),  # as well a national number with a typo
    ("4915159645391", ("DE",), "+4915159645391", ()),
    ("4915159645391", ("MX", "DE"), "+4915159645391", ("other_region",)),
    ("5215512345678", ("US",), "+525512345678", ("prefix_assumed", "old_format", "sequence")),
    # how a number is spaced says nothing of what it is
    ("49 170 1234568", ("DE",), "+491701234568", ()),
    ("49-170-1234568", ("DE",), "+491701234568", ()),
    ("49/170/1234568", ("DE",), "+491701234568", ()),
    ("(49) 170 1234568", ("DE",), "+491701234568", ()),
    ("34 600 111 222", ("ES",), "+34600111222", ()),
    ("(55) 99123-4568", ("BR",), "+5555991234568", ()),  # 55 is an area code of Brazil, too
    # two lines written once; a fax is no phone; a date of the next column is none either
    ("030/12345678-10/11", ("DE",), "+49301234567810", ("several_values",)),
    ("030 123456-10/-11", ("DE",), "+493012345610", ("several_values",)),
    ("030 123456-10 / 11", ("DE",), "+493012345610", ("several_values",)),
    ("02.03.2026", ("DE",), None, ("not_a_phone",)),
    ("2.3.2026", ("DE",), None, ("not_a_phone",)),
    ("2024-03-02", ("DE",), None, ("not_a_phone",)),
    ("2024-03-02 09:14:55", ("DE",), None, ("not_a_phone",)),
    ("2024-03-02T09:14:55Z", ("ES",), None, ("not_a_phone",)),
    ("25/03/2026", ("MX",), None, ("not_a_phone",)),
    ("Fax: 030 2312568 Tel: 030 2312569", ("DE",), "+49302312569", ("fax_removed",)),
    ("Tel. 030 2312569, Telefax 030 2312568", ("DE",), "+49302312569", ("fax_removed",)),
    ("Fax 030 2312568 / Mobil: 0170 1234568", ("DE",), "+491701234568", ("fax_removed",)),
    ("Fax: 030 2312568", ("DE",), "+49302312568", ()),
    # old numbering plans
    ("+52 1 999 709 8083", (), "+529997098083", ("old_format",)),
    ("5219997098083", ("MX",), "+529997098083", ("old_format",)),
    ("044 55 1234 5678", ("MX",), "+525512345678", ("old_format", "sequence")),
    ("045 55 1234 5678", ("MX",), "+525512345678", ("old_format", "sequence")),
    ("01 55 5123 4567", ("MX",), "+525551234567", ("old_format", "sequence")),
    ("+55 41 8170-3447", (), "+5541981703447", ("old_format",)),
    ("554161703447", ("BR",), "+5541961703447", ("old_format",)),
    ("(11) 98123-4567", ("BR",), "+5511981234567", ("sequence",)),
    ("0 15 11 98123-4567", ("BR",), "+5511981234567", ("sequence",)),
    ("011 15-2345-6789", ("AR",), "+5491123456789", ("sequence",)),
    ("+54 9 11 2345 6789", (), "+5491123456789", ("sequence",)),
    # not to be used, each for its own reason
    ("280-396-7929", ("US",), None, ("invalid_number",)),  # possible: ten digits; there is no area code 280
    ("493.909.5597", ("US",), None, ("invalid_number",)),
    ("+999 123456789", (), None, ("invalid_number",)),
    ("12345", ("US",), None, ("impossible_number",)),
    ("+1 202 555 01434444", (), None, ("impossible_number",)),
    ("5555555555", ("MX",), None, ("placeholder",)),
    ("9999999999", ("BR",), None, ("placeholder",)),
    ("0000000000", ("US",), None, ("placeholder",)),
    ("1234567890", ("US",), None, ("placeholder",)),
    ("4.91701E+11", ("DE",), None, ("scientific_notation",)),
    ("4,91701e11", ("DE",), None, ("scientific_notation",)),
    ("n/a", ("US",), None, ("not_a_phone",)),
    ("call me", ("US",), None, ("not_a_phone",)),
    ("+", (), None, ("not_a_phone",)),
    ("ada@example.org", ("US",), None, ("not_a_phone",)),
    # Brazil: x for a carrier's code, a carrier's code, an area code in brackets
    ("(0xx11) 98123-4561", ("BR",), "+5511981234561", ()),
    ("0xx11 98123-4561", ("BR",), "+5511981234561", ()),
    ("0(xx)15 11 98123-4561", ("BR",), "+5511981234561", ()),
    ("0**11 3123-4561", ("BR",), "+551131234561", ()),
    ("021 11 98123-4561", ("BR",), "+5511981234561", ()),
    ("+55 (011) 98123-4561", (), "+5511981234561", ()),
    ("+55 0 11 98123-4561", (), "+5511981234561", ()),
    ("(11) 7037-9462", ("BR",), "+551170379462", ()),  # a trunked radio's: no ninth digit, and valid
    ("+52 (01) 55 1234 9678", (), "+525512349678", ("old_format",)),
    ("+52 044 55 1234 9678", (), "+525512349678", ("old_format",)),
    ("+52 1 (55) 1234-9678", (), "+525512349678", ("old_format",)),
    ("01 800 123 4599", ("MX",), "+528001234599", ("old_format",)),
    ("1 415 555 2671", ("MX",), None, ("impossible_number",)),  # as well Mexico's 1 without 52 as North America's
    ("+54 9 11 15 2345 6781", (), "+5491123456781", ("old_format",)),  # both marks of a mobile
    ("+54 11 15 2345 6781", (), "+5491123456781", ()),
    ("0223 15-423-6781", ("AR",), "+5492234236781", ()),
    ("11 4123-4599", ("AR",), "+541141234599", ()),
    ("+34 (0)600 111 222", (), "+34600111222", ()),
    ("(+49) 0171 2312555", (), "+491712312555", ()),
    ("+49(0)171/2312555", (), "+491712312555", ()),
    ("0171 / 2312555", ("DE",), "+491712312555", ()),
    ("+7 8 912 345 67 80", (), "+79123456780", ()),
    ("8 (912) 345-67-80", ("RU",), "+79123456780", ()),
    ("+39 338 1234599", (), "+393381234599", ()),
    ("39 338 1234599", ("IT",), "+393381234599", ()),
    ("+800 1234 5679", (), "+80012345679", ()),
    ("8095552671", ("DO",), "+18095552671", ()),
    ("8095552671", ("US",), "+18095552671", ()),
    # WhatsApp's ids and links
    ("https://wa.me/5215512349678", (), "+525512349678", ("old_format",)),
    ("wa.me/+34600111222?text=hola", (), "+34600111222", ()),
    ("https://api.whatsapp.com/send?phone=34600111222&text=x", (), "+34600111222", ()),
    ("https://api.whatsapp.com/send/?text=a&phone=%2B34600111222", (), "+34600111222", ()),
    ("whatsapp://send?phone=34600111222", (), "+34600111222", ()),
    ("34600111222@s.whatsapp.net", (), "+34600111222", ()),
    ("34600111222:12@s.whatsapp.net", ("US",), "+34600111222", ()),
    ("34600111222@c.us", ("US",), "+34600111222", ()),
    ("120363042000000000@g.us", (), None, ("not_a_phone",)),  # a group
    ("123456789012345@lid", (), None, ("not_a_phone",)),  # an id that hides the number
    ("https://wa.me/message/ABCDEF123456", (), None, ("not_a_phone",)),
    ("US.13491208655302741918", (), None, ("not_a_phone",)),  # a business-scoped id
    # URIs
    ("tel:+1-202-456-1414;ext=12", (), "+12024561414", ("extension",)),
    ("tel:456-1414;phone-context=+1-202", (), "+12024561414", ()),
    ("tel://+34600111222", (), "+34600111222", ()),
    ("%2B34600111222", (), "+34600111222", ()),
    # extensions
    ("030 2312 5555 Durchwahl 12", ("DE",), "+493023125555", ("extension", "fictional")),
    ("030 23125555 DW 12", ("DE",), "+493023125555", ("extension", "fictional")),
    ("(11) 3123-4561 ramal 12", ("BR",), "+551131234561", ("extension",)),
    ("01 42 68 53 00 poste 12", ("FR",), "+33142685300", ("extension",)),
    ("91 123 45 99 int. 5", ("ES",), "+34911234599", ("extension",)),
    ("11 4123-4599 interno 23", ("AR",), "+541141234599", ("extension",)),
    ("2 2123 4599 anexo 9", ("CL",), "+56221234599", ("extension",)),
    ("600111222 extensión 4", ("ES",), "+34600111222", ("extension",)),
    ("+1 202 456 1414 (ext 5)", (), "+12024561414", ("extension",)),
    ("+1 202 456 1414,,5", (), "+12024561414", ("extension",)),
    ("202-456-1414 EXT5", ("US",), "+12024561414", ("extension",)),
    # words beside a number are not part of it; letters are, where lines are advertised by words
    ("415-555-2671 cell", ("US",), "+14155552671", ()),
    ("202 456 1414 ask for John", ("US",), "+12024561414", ()),
    ("Phone 1: 202 456 1414", ("US",), "+12024561414", ()),
    ("casa 600111222", ("ES",), "+34600111222", ()),
    ("030 1234561 abc", ("DE",), "+49301234561", ()),
    ("(800) CALL-NOW", ("US",), "+18002255669", ("vanity",)),
    ("0800 REWIRPOWER", ("DE",), "+498007394776937", ("vanity",)),
    ("1300 FLOWER", ("AU",), "+611300356937", ("vanity",)),
    ("1-800-MICROSOFT", ("US",), None, ("impossible_number",)),
    # other alphabets' digits and signs
    ("０６００１１１２２２", ("FR",), "+33600111222", ()),
    ("٠٦٠٠١١١٢٢٢", ("FR",), "+33600111222", ()),
    ("+34–600–111–222", (), "+34600111222", ()),
    ("+34\u00a0600\u00a0111\u00a0222", (), "+34600111222", ()),
    ("++34600111222", (), "+34600111222", ()),
    ("+0034600111222", (), "+34600111222", ()),
    # spreadsheets
    ("4.91701234561E+11", ("DE",), "+491701234561", ("scientific_notation",)),  # twelve digits of twelve: none is lost
    ("4,9170123457E+11", ("DE",), None, ("scientific_notation",)),
    ("4.91E+11", (), None, ("scientific_notation",)),
    ("491701234561,0", ("DE",), "+491701234561", ()),
    # typed to get past a required field, or telling that it might be
    ("+34 666 666 666", (), None, ("placeholder",)),
    ("+34 600 000 000", (), None, ("placeholder",)),
    ("+49 1520 0000000", (), None, ("placeholder",)),
    ("1111111", ("US",), None, ("placeholder",)),
    ("987654321", ("ES",), None, ("placeholder",)),
    ("+1 212 555 0000", (), "+12125550000", ()),
    ("+34 612 345 678", (), "+34612345678", ("sequence",)),
    ("07700 900123", ("GB",), "+447700900123", ("fictional",)),  # for films, and given to no operator
    ("0113 496 0123", ("GB",), "+441134960123", ("fictional",)),  # for films, in an area that exists
    ("212-555-0199", ("US",), "+12125550199", ("fictional",)),
    ("212-555-0200", ("US",), "+12125550200", ()),
    # no phones at all
    ("ada2125551212@example.org", ("US",), None, ("not_a_phone",)),
    ("https://example.org/2024561414", ("US",), None, ("not_a_phone",)),
    ("2025-03-01T10:00:00", ("US",), None, ("not_a_phone",)),
    ("2025-03-01", ("MX",), None, ("not_a_phone",)),
    ("*123#", ("MX",), None, ("not_a_phone",)),
    ("112", ("DE",), None, ("invalid_number",)),
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
        ("600111222 600333444", ("ES",), ["+34600111222", "+34600333444"]),
        ("600111222/600333444", ("ES",), ["+34600111222", "+34600333444"]),
        ("600111222,600333444", ("ES",), ["+34600111222", "+34600333444"]),
        ("600111222\n600333444", ("ES",), ["+34600111222", "+34600333444"]),
        ("600111222 y 600333444", ("ES",), ["+34600111222", "+34600333444"]),
        ("600111222 casa, 600333444 trabajo", ("ES",), ["+34600111222", "+34600333444"]),
        ("+34600111222+34600333444", (), ["+34600111222", "+34600333444"]),
        ("+34 600 111 222 +34 600 333 444", (), ["+34600111222", "+34600333444"]),
        ("202-456-1414 x5; 202-456-1111 x6", ("US",), ["+12024561414", "+12024561111"]),
        ("030 2312555/56", ("DE",), ["+49302312555"]),  # two lines, written once: the first is certain
    ],
)
def test_several_numbers_in_one_cell_are_all_found_once(text, regions, numbers):
    found = normalize_phone(text, regions)
    assert [found.value, *found.others] == numbers
    assert "several_values" in found.flags


@pytest.mark.parametrize("text", ["600111222 / ada@example.org", "ada@example.org; 600111222"])
def test_an_address_beside_a_number_is_left_out(text):
    assert normalize_phone(text, ("ES",)).value == "+34600111222"


@pytest.mark.parametrize(
    ("text", "number", "flags"),
    [
        ("34600111222", "+34600111222", ()),
        ("+34 600 111 222", "+34600111222", ()),
        ("34600111222@s.whatsapp.net", "+34600111222", ()),
        ("34600111222@c.us, 12025550143", "+34600111222", ("several_values", "fictional")),
        ("12025550143; 34600111222:3@s.whatsapp.net", "+12025550143", ("several_values", "fictional")),
        ("5215512349678", "+525512349678", ("old_format",)),
        ("554181703447", "+5541981703447", ("old_format",)),
        ("5491123456781", "+5491123456781", ()),
        ("https://wa.me/34600111222", "+34600111222", ()),
        ("123456789012345@lid", None, ("not_a_phone",)),
        ("MX.13491208655302741918", None, ("not_a_phone",)),
        ("600111222", None, ("invalid_number",)),
        ("٣٤٦٠٠١١١٢٢٢", "+34600111222", ()),
        ("", None, ()),
    ],
)
def test_a_whatsapp_id_is_always_international(text, number, flags):
    found = normalize_whatsapp_id(text)
    assert (found.value, found.flags) == (number, flags)
    assert found.raw == (text if number != text and text else None)


def test_nothing_is_nothing():
    assert normalize_phone("", ("US",)).value is None
    assert normalize_phone("", ("US",)).flags == ()


@given(st.text(max_size=400), st.sampled_from([(), ("US",), ("DE", "MX"), ("BR",)]))
def test_any_text_gives_a_number_that_stays_as_it_is_or_none(text, regions):
    found = normalize_phone(text, regions)
    if found.value is not None:
        again = normalize_phone(found.value, regions)
        assert again.value == found.value
        assert set(again.flags) <= OF_THE_NUMBER
        assert again.raw is None


@given(st.text(max_size=60) | st.from_regex(r"\+?[0-9@:.]{5,20}", fullmatch=True))
def test_any_text_is_taken_as_a_whatsapp_id_without_a_failure(text):
    found = normalize_whatsapp_id(text)
    assert found.value is None or normalize_whatsapp_id(found.value).value == found.value


@given(st.from_regex(r"\+?[0-9()\-. /x;]{5,30}", fullmatch=True), st.sampled_from([("US",), ("DE",), ("MX",), ("BR",)]))
def test_anything_like_a_number_gives_e164_or_a_flag(text, regions):
    found = normalize_phone(text, regions)
    assert found.flags if found.value is None else found.value.startswith("+")
    for other in found.others:
        assert normalize_phone(other).value == other


@pytest.mark.parametrize("text", ["07700 900123", "+44 7700 900999", "020 7946 0018", "01632 960123"])
def test_british_numbers_kept_for_films_are_values_and_flagged(text):
    found = normalize_phone(text, ("GB",))
    assert found.value is not None
    assert found.flags == ("fictional",)


@pytest.mark.parametrize("text", ["030 23125 800 App. 5", "030 23125 800, App 12", "+49 30 23125800 Apparat 7"])
def test_a_german_apparat_is_an_extension(text):
    found = normalize_phone(text, ("DE",))
    assert "extension" in found.flags
