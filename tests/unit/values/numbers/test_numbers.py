from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.conversions import to_count, to_number
from pipeline.values.numbers.numbers import normalize_number

READ = [
    ("25", 25),
    (" 25 ", 25),
    ("007", 7),
    ("+7", 7),
    ("-3", -3),
    ("- 3", -3),
    ("\u22123", -3),
    ("(3)", -3),
    ("(1,234.5)", -1234.5),
    ("0", 0),
    ("-0", 0),
    ("0.0", 0),
    ("2.5", 2.5),
    ("2,5", 2.5),
    (".5", 0.5),
    (",5", 0.5),
    ("0.125", 0.125),
    ("0,125", 0.125),
    ("2.50", 2.5),
    ("25.0", 25),
    ("1.2345", 1.2345),
    ("1234.567", 1234.567),
    ("1234,567", 1234.567),
    ("1.234,56", 1234.56),
    ("1,234.56", 1234.56),
    ("1.234.567", 1234567),
    ("1,234,567", 1234567),
    ("1.234.567,89", 1234567.89),
    ("1,234,567.89", 1234567.89),
    ("1 234", 1234),
    ("1 234 567", 1234567),
    ("1 234,56", 1234.56),
    ("1 234,567", 1234.567),
    ("1\u00a0234,56", 1234.56),
    ("1\u202f234,56", 1234.56),
    ("1\u2009234", 1234),
    ("1'234.50", 1234.5),
    ("1\u2019234\u2019567", 1234567),
    ("12,34,567", 1234567),
    ("12,34,567.89", 1234567.89),
    ("1,00,000", 100000),
    ("１２３", 123),
    ("１，２３４．５", 1234.5),
    ("١٢٣", 123),
    ("١٬٢٣٤٫٥", 1234.5),
    ("۱۲۳", 123),
    ("१२३", 123),
    ("1.5k", 1500),
    ("1,5k", 1500),
    ("10 k", 10000),
    ("2M", 2000000),
    ("1.5m", 1500000),
    ("1,5 Mio.", 1500000),
    ("2 Mio", 2000000),
    ("3 Tsd.", 3000),
    ("3 mil", 3000),
    ("2 millones", 2000000),
    ("2 milhões", 2000000),
    ("3 mil millones", 3000000000),
    ("2 Mrd", 2000000000),
    ("2 milliards", 2000000000),
    ("5 thousand", 5000),
    ("1.1M", 1100000),
    ("250 employees", 250),
    ("250 Mitarbeiter", 250),
    ("250 empleados", 250),
    ("250 funcionários", 250),
    ("250 salariés", 250),
    ("1.5k employees", 1500),
    ("999999999999999999", 999999999999999999),
    ("-999999999999999999", -999999999999999999),
]
FLAGGED = [
    ("1,234", 1234, "ambiguous_number"),
    ("1.234", 1234, "ambiguous_number"),
    ("12,345", 12345, "ambiguous_number"),
    ("123.456", 123456, "ambiguous_number"),
    ("-1,234", -1234, "ambiguous_number"),
    ("(1,234)", -1234, "ambiguous_number"),
    ("10%", 10, "percent"),
    ("10 %", 10, "percent"),
    ("2,5 %", 2.5, "percent"),
    ("ca. 250", 250, "approximate"),
    ("~250", 250, "approximate"),
    ("about 250", 250, "approximate"),
    ("etwa 250", 250, "approximate"),
    ("environ 250 salariés", 250, "approximate"),
    ("unos 250", 250, "approximate"),
]
RANGES = (
    """
10-50|51-200|51 - 200|11–50|1-10 employees|201-500 employees|501 to 1000|5,001-10,000|10.000+|10,001+
10,001+ employees|500+
> 500|>500|<10|< 10|≥ 50|>= 50|mehr als 500|über 500|bis 10|bis zu 10|ab 50|más de 500|menos de 10|hasta 50
a partir de 50
mais de 500|até 10|plus de 500|moins de 10|jusqu'à 50|more than 500|less than 10|up to 10|at least 5
500 or more|500 o más
de 10 a 50|entre 10 y 50|entre 10 et 50|between 10 and 50|zwischen 10 und 50|von 10 bis 50
11 a 50 funcionários|10 à 49|10k+
1k-5k|mehr als 500 Mitarbeiter|500 oder mehr
""".strip()
    .replace("\n", "|")
    .split("|")
)
REFUSED = (
    """
many|twelve|abc|1.2.3|1,23.45|1,2,3|1 23|1.23.456|1,234,56|1.234.56|1..2|1,,2|5.|5,|--5|+-5|5-|5 5|1/2|½|10²
2026-03-02|02/03/2026|09:14
600-111-222|+34600-111|5 % off|(5%)-|ten|1e|e5|inf|Infinity|-inf|0x1F|1_000|#5|No. 5|5 apples|€5|$5|100 m|3 kg|v2|2nd|II
99999999999999999999
1000000000000000001|9999999999999999M|()|(|)|+|.|,|%|k|M|mil|10 10%|5%%|(5|5)
""".strip()
    .replace("\n", "|")
    .split("|")
)
SCIENTIFIC = ["1e5", "1E5", "4.91E+11", "4,91E+11", "-1e-3", "1e400"]


@pytest.mark.parametrize(("text", "number"), READ)
def test_a_number_with_one_reading_is_read(text, number):
    found = normalize_number(text)
    assert (found.value, found.flags) == (number, ())
    assert type(found.value) is type(number)
    assert found.raw in (None, text)


@pytest.mark.parametrize(("text", "number", "flag"), FLAGGED)
def test_a_number_that_leaves_a_doubt_is_read_and_flagged(text, number, flag):
    assert normalize_number(text) == (number, (flag,), text, ())


@pytest.mark.parametrize("text", RANGES)
def test_of_a_range_no_end_is_taken(text):
    assert normalize_number(text) == (None, ("range",), text, ())
    assert to_count(text) == (None, ("range",), text, ())


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_number_is_kept_raw(text):
    found = normalize_number(text)
    assert found.value is None
    assert found.flags in (("not_a_number",), ("blank",))
    assert found.raw == text


@pytest.mark.parametrize("text", SCIENTIFIC)
def test_a_number_that_lost_digits_in_a_spreadsheet_is_refused(text):
    assert normalize_number(text) == (None, ("scientific_notation",), text, ())


@pytest.mark.parametrize("text", ["-", "n/a", "NULL", "NaN", "#N/A", "k.A.", " "])
def test_a_blank_is_no_number(text):
    assert normalize_number(text) == (None, ("blank",), text, ())


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1,234", ",", 1.234),
        ("1.234", ",", 1234),
        ("1,234", ".", 1234),
        ("1.234", ".", 1.234),
        ("1.234,5", ",", 1234.5),
        ("1 234,5", ",", 1234.5),
        ("1.5", ",", None),
        ("1,5", ".", None),
        ("1,234.5", ",", None),
        ("1,234.5", ".", 1234.5),
        ("25", ",", 25),
        ("25", ".", 25),
        ("1.234,567", ",", 1234.567),
        ("1'234.5", ".", 1234.5),
    ],
)
def test_a_declared_decimal_sign_leaves_no_doubt(text, decimal, number):
    found = to_number(text, decimal=decimal)
    assert found.value == number
    assert found.flags == (() if number is not None else ("not_a_number",))


@pytest.mark.parametrize(
    ("value", "count", "flags"),
    [
        ("1,200", 1200, ()),
        ("1.200", 1200, ()),
        (1200, 1200, ()),
        (1200.0, 1200, ()),
        ("0", 0, ()),
        ("ca. 250", 250, ("approximate",)),
        ("-5", None, ("not_a_count",)),
        ("2.5", None, ("not_a_count",)),
        (2.5, None, ("not_a_count",)),
        ("10%", None, ("not_a_count",)),
        (True, None, ("wrong_type",)),
    ],
)
def test_a_count_is_whole_and_not_negative(value, count, flags):
    found = to_count(value)
    assert (found.value, found.flags) == (count, flags)


def test_there_are_tables_worth_their_name():
    assert len(READ) + len(FLAGGED) >= 80
    assert len(RANGES) >= 50
    assert len(REFUSED) >= 60


@given(st.text(max_size=80) | st.text(alphabet="0123456789.,' -+()kM%e\u00a0\u2212\ud800½²", max_size=30))
def test_any_text_gives_a_number_that_reads_back_or_a_flag(text):
    found = normalize_number(text)
    if found.value is None:
        assert found.flags or not text
        assert found.raw == text.encode("utf-8", "replace").decode() or not text
    else:
        assert normalize_number(repr(found.value), decimal=".").value == found.value or abs(found.value) < 1e-4
        assert to_number(found.value).value == found.value


@given(st.integers(-(10**18), 10**18))
def test_every_integer_is_exact(number):
    assert normalize_number(str(number)).value == number
    assert normalize_number(f"{number:,}", decimal=".").value == number


@pytest.mark.parametrize("text", ["1" * 100_000, "1," * 50_000, "(" * 100_000, " 1" * 50_000, "\ud800" * 9])
def test_a_hundred_kilobytes_are_refused(text):
    assert normalize_number(text).value is None
