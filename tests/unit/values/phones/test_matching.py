from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.phones.matching import is_fictional, match_forms, phone_type, repaired
from pipeline.values.phones.phones import normalize_phone
from pipeline.values.vocabularies import vocabulary

FORMS = [
    ("+525512349678", ("+525512349678", "+5215512349678")),
    ("+5215512349678", ("+525512349678", "+5215512349678")),
    ("+528001234599", ("+528001234599", "+5218001234599")),
    ("+5511981234567", ("+5511981234567", "+551181234567")),
    ("+551181234567", ("+5511981234567", "+551181234567")),
    ("+551170379462", ("+5511970379462", "+551170379462")),
    ("+5511970379462", ("+5511970379462", "+551170379462")),
    ("+551131234567", ("+551131234567",)),  # a fixed line
    ("+5511931234567", ("+5511931234567",)),  # given out after 2016: never had eight digits
    ("+5491123456781", ("+541123456781", "+5491123456781")),
    ("+541123456781", ("+541123456781", "+5491123456781")),
    ("+542234236781", ("+542234236781", "+5492234236781")),
    ("+548001234567", ("+548001234567", "+5498001234567")),
    ("+34600111222", ("+34600111222",)),
    ("+390612345991", ("+390612345991",)),
    ("+14155552671", ("+14155552671",)),
    ("+52", ("+52",)),
    ("+54", ("+54",)),
    ("no number", ("no number",)),
    ("", ("",)),
]


@pytest.mark.parametrize(("number", "forms"), FORMS)
def test_a_line_is_known_by_all_its_forms_the_canonical_one_first(number, forms):
    assert match_forms(number) == forms


@pytest.mark.parametrize(("number", "forms"), FORMS)
def test_every_form_of_a_line_has_the_same_canonical_one(number, forms):
    assert {match_forms(form)[0] for form in forms} == {forms[0]}


REGIONAL = st.sampled_from(["MX", "BR", "AR", "US", "DE", "IT", "GB", "ES"])


@given(REGIONAL, st.from_regex(r"[0-9]{8,11}", fullmatch=True))
def test_a_canonical_form_stays_and_can_be_read_again(region, digits):
    number = normalize_phone(digits, (region,)).value
    if number is not None:
        canonical = match_forms(number)[0]
        assert match_forms(canonical)[0] == canonical
        assert normalize_phone(canonical).value == canonical


@given(st.text(max_size=30))
def test_any_text_has_itself_among_its_forms(text):
    assert text in match_forms(text)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+491701234567", "mobile"),
        ("+493023125123", "fixed"),
        ("+14155552671", "fixed_or_mobile"),
        ("+525512349678", "fixed_or_mobile"),
        ("+18003569377", "toll_free"),
        ("+34900123456", "toll_free"),
        ("+34803123456", "premium"),
        ("+34901123456", "shared_cost"),
        ("+5511981234567", "mobile"),
        ("+551131234567", "fixed"),
        ("+5491123456781", "mobile"),
        ("+447911123456", "mobile"),
        ("+442079460018", "fixed"),
        ("+445612345678", "voip"),
        ("+447012345678", "personal"),
        ("+390612345678", "fixed"),
        ("+393381234599", "mobile"),
        ("+80012345678", "toll_free"),
        ("+12803967929", None),  # there is no area code 280
        ("+999123456", None),
        ("600111222", None),
        ("+", None),
        ("", None),
        ("+34٦٠٠111222", None),
        ("call me", None),
    ],
)
def test_a_number_tells_what_kind_of_line_it_is(number, kind):
    assert phone_type(number) == kind


@given(st.text(max_size=30) | st.from_regex(r"\+[0-9]{1,25}", fullmatch=True))
def test_any_text_has_a_kind_or_none(text):
    assert phone_type(text) is None or normalize_phone(text).value or text.startswith("+")


def test_ranges_for_films_are_well_formed_and_valid_where_the_country_counts_them_so():
    for code, forms in vocabulary("fictional_numbers").items():
        for form in forms:
            example = form.replace("?", "2")
            assert form.startswith(f"+{code}")
            assert len(form) <= 16
            assert phonenumbers.is_possible_number(phonenumbers.parse(example)), form
            assert is_fictional(code, example[1 + len(code) :])
            assert not is_fictional(code, example[1 + len(code) :] + "0")
    assert not is_fictional("34", "600111222")


@pytest.mark.parametrize(
    ("code", "national", "from_abroad", "present"),
    [
        ("52", "15512349678", True, "5512349678"),
        ("52", "15512349678", False, None),  # 1 was never dialed within Mexico
        ("52", "0445512349678", False, "5512349678"),
        ("52", "0455512349678", True, "5512349678"),
        ("52", "015512349678", False, "5512349678"),
        ("52", "0112349678", False, None),
        ("55", "4181703447", True, "41981703447"),
        ("55", "4131703447", True, None),
        ("54", "9111523456781", True, "91123456781"),
        ("54", "9223154236781", True, "92234236781"),
        ("54", "9223164236781", True, None),
        ("34", "15512349678", True, None),
        ("52", "", True, None),
    ],
)
def test_numbers_of_abolished_plans_come_into_the_present_one(code, national, from_abroad, present):
    assert repaired(code, national, from_abroad=from_abroad) == present
