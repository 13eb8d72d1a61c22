from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.conversions import CONVERSIONS, date_conversion, table_conversion

WRONG = ("wrong_type",)
CASES = [
    ("text", "x", "x", ()),
    ("text", 42, "42", ()),
    ("text", 42.0, "42", ()),
    ("text", 4.5, "4.5", ()),
    ("text", True, None, WRONG),
    ("text", False, None, WRONG),
    ("text", ["a", True], None, WRONG),
    ("text", ["CRM", "ERP"], "CRM, ERP", ()),
    ("text", ["CRM"], "CRM", ()),
    ("text", {"a": 1}, None, WRONG),
    ("text", [{"a": 1}], None, WRONG),
    ("text", float("nan"), None, ("not_a_number",)),
    ("text", 10**50, None, WRONG),
    ("text", 1234567890123456789, "1234567890123456789", ()),
    ("email", "ada@example.org", "ada@example.org", ()),
    ("email", ["ada@example.org"], "ada@example.org", ()),
    ("email", {"a": 1}, None, WRONG),
    ("email", True, None, WRONG),
    ("phone", "600 111 222", "600 111 222", ()),
    ("phone", 34600111222, "34600111222", ()),
    ("phone", 34600111222.0, "34600111222", ()),
    ("phone", 3.46e30, None, ("scientific_notation",)),
    ("phone", True, None, WRONG),
    ("phone", {"n": 1}, None, WRONG),
    ("number", 25, 25, ()),
    ("number", 25.0, 25, ()),
    ("number", 2.5, 2.5, ()),
    ("number", "25", 25, ()),
    ("number", " 25 ", 25, ()),
    ("number", "1,000", 1000, ("ambiguous_number",)),
    ("number", "1.000", 1000, ("ambiguous_number",)),
    ("count", "1,000", 1000, ()),
    ("count", "1.000", 1000, ()),
    ("count", -1, None, ("not_a_count",)),
    ("number", "1 000 000", 1000000, ()),
    ("number", "1'000", 1000, ()),
    ("number", "2.5", 2.5, ()),
    ("number", "-3", -3, ()),
    ("number", "many", None, ("not_a_number",)),
    ("number", "51-200", None, ("range",)),
    ("number", "10%", 10, ("percent",)),
    ("number", "9" * 500, None, ("not_a_number",)),
    ("number", float("inf"), None, ("not_a_number",)),
    ("number", 10**400, None, ("not_a_number",)),
    ("number", True, None, WRONG),
    ("number", [1], None, WRONG),
    ("boolean", True, True, ()),
    ("boolean", 1, True, ()),
    ("boolean", 0, False, ()),
    ("boolean", "yes", True, ()),
    ("boolean", "Sí", True, ()),
    ("boolean", "JA", True, ()),
    ("boolean", "oui", True, ()),
    ("boolean", "sim", True, ()),
    ("boolean", "on", True, ()),
    ("boolean", "x", True, ()),
    ("boolean", "1", True, ()),
    ("boolean", "no", False, ()),
    ("boolean", "Nein", False, ()),
    ("boolean", "não", False, ()),
    ("boolean", "false", False, ()),
    ("boolean", "0", False, ()),
    ("boolean", ["1"], True, ()),
    ("boolean", "maybe", None, ("not_a_boolean",)),
    ("boolean", 2, None, WRONG),
    ("boolean", {"granted": True}, None, WRONG),
    ("list", ["a", "b"], ["a", "b"], ()),
    ("list", "a; b,c|d", ["a", "b", "c", "d"], ()),
    ("list", 34600111222, ["34600111222"], ()),
    ("list", ["a", {"b": 1}], ["a"], WRONG),
    ("list", {"b": 1}, None, WRONG),
    ("list", ["", "  "], None, ()),
]


@pytest.mark.parametrize(("kind", "value", "converted", "flags"), CASES)
def test_a_value_of_any_type_becomes_the_type_wanted_or_a_flag(kind, value, converted, flags):
    found = CONVERSIONS[kind](value)
    assert found.value == converted
    assert type(found.value) is type(converted)
    assert found.flags == flags


@pytest.mark.parametrize(("kind", "value", "converted", "flags"), [case for case in CASES if case[3]])
def test_what_was_refused_is_kept_raw(kind, value, converted, flags):
    assert CONVERSIONS[kind](value).raw


def test_further_addresses_of_a_list_are_handed_on():
    found = CONVERSIONS["email"](["a@example.org", "b@example.org"])
    assert (found.value, found.others) == ("a@example.org", ("b@example.org",))


def test_a_date_is_written_in_utc():
    convert = date_conversion(formats=["%d.%m.%Y %H:%M"], zone="Europe/Berlin")
    assert convert("02.03.2026 10:00").value == "2026-03-02T09:00:00Z"
    assert convert(1772442895).value == "2026-03-02T09:14:55Z"
    assert convert("yesterday").flags == ("unreadable_time",)
    assert convert(True).flags == WRONG
    assert convert(["x"]).flags == WRONG
    assert convert("02.03.2026 10:00").raw == "02.03.2026 10:00"
    assert convert("2026-03-02T09:00:00Z").raw is None


def test_the_order_of_a_date_is_declared_or_told_with_the_value():
    undeclared, declared = date_conversion(), date_conversion(order="mdy")
    assert undeclared("02/03/2026") == (None, ("ambiguous_date",), "02/03/2026", ())
    assert undeclared("02/03/2026", "dmy").value == "2026-03-02T00:00:00Z"
    assert declared("02/03/2026").value == "2026-02-03T00:00:00Z"
    assert declared("02/03/2026", "dmy").value == "2026-02-03T00:00:00Z"
    assert undeclared(45352) == ("2024-03-01T00:00:00Z", ("excel_serial",), "45352", ())


def test_a_value_table_is_read_without_case_and_accents():
    look_up = table_conversion(CONVERSIONS["text"], {"Demostración": "demo", "Prueba": "trial"})
    assert look_up("DEMOSTRACION").value == "demo"
    assert look_up("other") == ("other", ("unlisted",), None, ())
    assert look_up({"a": 1}).flags == WRONG
    in_list = table_conversion(CONVERSIONS["list"], {"a": "A"})
    assert in_list("a;b").value == ["A", "b"]

    consents = table_conversion(CONVERSIONS["boolean"], {"Ich stimme zu, dass": True, "Lieber nicht": False})
    assert consents("ich stimme zu, dass!").value is True
    assert consents("Lieber nicht").value is False
    assert consents("ja").value is True
    assert consents("Vielleicht").flags == ("not_a_boolean",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_no_value_of_any_shape_raises(value):
    for convert in (
        *CONVERSIONS.values(),
        date_conversion(formats=[], zone="UTC"),
        table_conversion(CONVERSIONS["text"], {"a": 1}),
    ):
        json.dumps(convert(value).value)


@pytest.mark.parametrize(
    ("table", "value", "converted", "flags"),
    [
        ({"✗": False, "✓": True}, "✗", False, ()),
        ({"✗": False, "✓": True}, "✓", True, ()),
        ({"✗": False, "✓": True}, "☐", False, ("unlisted",)),  # it is known to be a no
        ({"✗": False, "✓": True}, "...", None, None),
        ({"☐ marketing": False, "☑ marketing": True}, "☐ marketing", False, ()),
        ({"☐ marketing": False, "☑ marketing": True}, "☑  Marketing", True, ()),
        ({"☐ marketing": False, "☑ marketing": True}, "marketing", None, None),
        ({"I agree to receive mail": True}, "i agree to receive mail.", True, ()),
        ({"I agree to receive mail": True}, "☐ I agree to receive mail", None, None),
        ({"I agree to receive mail": True}, "[ ] I agree to receive mail", None, None),
        ({"I agree to receive mail": True}, "❌ I agree to receive mail", None, None),
        ({"I agree to receive mail": True}, "!I agree to receive mail", None, None),
        ({"I agree to receive mail": True}, "I agree to receive mail?", None, None),
        ({"I agree to receive mail": True}, "I agree to receive mail: ✗", None, None),
        ({"1": True, "-1": False}, "1", True, ()),
        ({"1": True, "-1": False}, "-1", False, ()),
        ({"1": False, "2": True}, 1, False, ()),
        ({"1": False, "2": True}, 2, True, ()),
        ({"true": False, "false": True}, True, False, ()),
        ({"a b": True, "a-b": False}, "A, B", None, None),
        ({"a b": True, "a-b": False}, "a-b", False, ()),
    ],
)
def test_signs_make_the_difference_between_a_grant_and_a_refusal(table, value, converted, flags):
    found = table_conversion(CONVERSIONS["boolean"], table)(value)
    assert found.value is converted
    assert found.flags == flags if flags is not None else found.flags


@pytest.mark.parametrize(
    ("table", "value", "converted"),
    [
        ({"C": "c", "C++": "cpp", "C#": "csharp"}, "c", "c"),
        ({"C": "c", "C++": "cpp", "C#": "csharp"}, "C++", "cpp"),
        ({"C": "c", "C++": "cpp", "C#": "csharp"}, "c#", "csharp"),
        ({"C": "c"}, "C++", "C++"),
        ({"<50": "small", ">50": "big"}, "<50", "small"),
        ({"<50": "small", ">50": "big"}, ">50", "big"),
        ({"50": "exactly"}, ">50", ">50"),
        ({"1.5": "a", "15": "b"}, "1,5", "1,5"),
        ({"1-5": "a"}, "1 5", "1 5"),
        ({"1-5": "a"}, "1-5", "a"),
        ({"Sales / Marketing": "x"}, "sales/marketing", "x"),
        ({"new lead": "x"}, "NEW_LEAD", "x"),
        ({"Demo (live)": "x"}, "demo live", "x"),
        ({"true": "yes", "false": "no"}, True, "yes"),
        ({"7": "seven"}, 7, "seven"),
    ],
)
def test_signs_make_the_difference_between_listed_texts(table, value, converted):
    assert table_conversion(CONVERSIONS["text"], table)(value).value == converted


@pytest.mark.parametrize("kind", ["text", "email", "phone", "list"])
@pytest.mark.parametrize("value", [1.2345678901234568e22, 1e16, -1e300, 2.0**53])
def test_a_float_that_has_lost_digits_is_no_text(kind, value):
    found = CONVERSIONS[kind](value)
    assert found.value is None
    assert found.flags in (("imprecise_number",), ("scientific_notation",))
    assert str(value) in found.raw


@pytest.mark.parametrize(
    ("value", "text"), [(2.0**53 - 1, "9007199254740991"), (1e15, "1000000000000000"), (0.00001, "0.00001")]
)
def test_a_float_is_never_written_with_an_exponent(value, text):
    assert CONVERSIONS["text"](value).value == text
