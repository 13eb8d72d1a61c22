from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.conversions import CONVERSIONS, to_money
from pipeline.values.numbers.money import currency_code, normalize_money

KNOWN = [
    ("€500", "500", "EUR"),
    ("500 €", "500", "EUR"),
    ("500€", "500", "EUR"),
    ("€ 500", "500", "EUR"),
    ("500\u00a0€", "500", "EUR"),
    ("1.234,56 €", "1234.56", "EUR"),
    ("€1,234.56", "1234.56", "EUR"),
    ("1 234,50 €", "1234.50", "EUR"),
    ("1\u202f234,50\u00a0€", "1234.50", "EUR"),
    ("1.234 €", "1234", "EUR"),
    ("EUR 500", "500", "EUR"),
    ("500 EUR", "500", "EUR"),
    ("500EUR", "500", "EUR"),
    ("eur500", "500", "EUR"),
    ("500 euros", "500", "EUR"),
    ("500 Euro", "500", "EUR"),
    ("500,- €", "500", "EUR"),
    ("500,-- EUR", "500", "EUR"),
    ("US$ 500", "500", "USD"),
    ("US$1,234.50", "1234.50", "USD"),
    ("$500 USD", "500", "USD"),
    ("USD $500", "500", "USD"),
    ("USD 1,234", "1234", "USD"),
    ("U$S 20", "20", "USD"),
    ("500 US dollars", "500", "USD"),
    ("500 dólares americanos", "500", "USD"),
    ("R$ 1.500,00", "1500.00", "BRL"),
    ("R$1500", "1500", "BRL"),
    ("1500 reais", "1500", "BRL"),
    ("R$ 2 milhões", "2000000", "BRL"),
    ("3 mil reais", "3000", "BRL"),
    ("MX$500", "500", "MXN"),
    ("$500 MXN", "500", "MXN"),
    ("500 pesos mexicanos", "500", "MXN"),
    ("COP 2.500.000", "2500000", "COP"),
    ("S/. 500", "500", "PEN"),
    ("500 soles", "500", "PEN"),
    ("£5", "5", "GBP"),
    ("£1,234.50", "1234.50", "GBP"),
    ("500 pounds sterling", "500", "GBP"),
    ("CHF 1'234.50", "1234.50", "CHF"),
    ("500.- CHF", "500", "CHF"),
    ("500 Franken", "500", "CHF"),
    ("5 zł", "5", "PLN"),
    ("zł 5", "5", "PLN"),
    ("₹1,23,456", "123456", "INR"),
    ("₹ 12,34,567.50", "1234567.50", "INR"),
    ("JPY 1000", "1000", "JPY"),
    ("1000円", "1000", "JPY"),
    ("CN¥100", "100", "CNY"),
    ("A$5", "5", "AUD"),
    ("CA$5", "5", "CAD"),
    ("500 kr SEK", "500", "SEK"),
    ("1.5k EUR", "1500", "EUR"),
    ("1,5 k€", "1500", "EUR"),
    ("5k€", "5000", "EUR"),
    ("k€ 5", "5000", "EUR"),
    ("5 MEUR", "5000000", "EUR"),
    ("5M€", "5000000", "EUR"),
    ("5 Mio. €", "5000000", "EUR"),
    ("2,5 Mrd. Euro", "2500000000", "EUR"),
    ("2 millones de euros", "2000000", "EUR"),
    ("3 millions d'euros", "3000000", "EUR"),
    ("US$ 1.2bn", "1200000000", "USD"),
    ("US$5M", "5000000", "USD"),
    ("USD 5 million", "5000000", "USD"),
    ("US$ 5 mm", "5000000", "USD"),
    ("-€5", "-5", "EUR"),
    ("€-5", "-5", "EUR"),
    ("(€1,234.00)", "-1234.00", "EUR"),
    ("€0", "0", "EUR"),
    ("€0.125", "0.125", "EUR"),
    ("٥٠٠ EUR", "500", "EUR"),
]
UNKNOWN = [
    ("$500", "500"),
    ("500 $", "500"),
    ("$1,234.50", "1234.50"),
    ("500 dollars", "500"),
    ("500 dólares", "500"),
    ("500 pesos", "500"),
    ("2 millones de pesos", "2000000"),
    ("500 kr", "500"),
    ("500 kr.", "500"),
    ("¥100", "100"),
    ("Rs. 500", "500"),
    ("500 francs", "500"),
    ("500 coronas", "500"),
    ("1500", "1500"),
    ("1.500,50", "1500.50"),
    ("10k", "10000"),
    ("10 mil", "10000"),
]
REFUSED = (
    """
abc|€|$|euros|12 apples|500 €/month|500 € pro Monat|$500/mo|€500 USD|5 € 5|1e5 €|½ €|10² €|1.2.3 €|€€|inf
five euros|02/03/2026
100 m|500 €?|EUR USD|€ 1,23.45|ask us|1,000,00 €|99999999999999999999 €
""".strip()
    .replace("\n", "|")
    .split("|")
)
RANGES = [
    "10-50 €",
    "500 € - 1000 €",
    "€500-€1000",
    "> 500 €",
    "500+ €",
    "mehr als 500 EUR",
    "between 10 and 50 EUR",
    "<$100",
]


@pytest.mark.parametrize(("text", "amount", "currency"), KNOWN)
def test_an_amount_and_its_currency_are_read(text, amount, currency):
    assert normalize_money(text) == ({"amount": amount, "currency": currency}, (), text, ())


@pytest.mark.parametrize(("text", "amount"), UNKNOWN)
def test_what_several_currencies_share_names_none(text, amount):
    assert normalize_money(text) == ({"amount": amount, "currency": None}, ("currency_unknown",), text, ())


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_sum_of_money_is_kept_raw(text):
    assert normalize_money(text) == (None, ("not_money",), text, ())


@pytest.mark.parametrize("text", RANGES)
def test_of_a_range_no_end_is_taken(text):
    assert normalize_money(text) == (None, ("range",), text, ())


@pytest.mark.parametrize("text", ["-", "n/a", "NULL", " "])
def test_a_blank_is_no_money(text):
    assert normalize_money(text) == (None, ("blank",), text, ())


def test_three_digits_behind_a_sign_are_thousands_but_for_currencies_with_thousandths():
    assert normalize_money("1,234 EUR").flags == ()
    assert normalize_money("1,234 KWD").flags == ("ambiguous_number",)
    assert normalize_money("1,234").flags == ("ambiguous_number", "currency_unknown")
    assert normalize_money("1,234 KWD", ",").value == {"amount": "1.234", "currency": "KWD"}
    assert normalize_money("ca. 500 EUR").flags == ("approximate",)


@pytest.mark.parametrize(
    ("value", "found", "flags"),
    [
        (1500, {"amount": "1500", "currency": None}, ("currency_unknown",)),
        (12.5, {"amount": "12.5", "currency": None}, ("currency_unknown",)),
        ({"amount": "5", "currency": "EUR"}, {"amount": "5", "currency": "EUR"}, ()),
        ({"amount": "1.234", "currency": "EUR"}, {"amount": "1.234", "currency": "EUR"}, ()),
        ({"amount": 5, "currency": "eur"}, {"amount": "5", "currency": "EUR"}, ()),
        ({"amount": 5, "currency": "$"}, {"amount": "5", "currency": None}, ("currency_unknown",)),
        ({"amount": {"a": 1}, "currency": "EUR"}, None, ("wrong_type",)),
        ({"amount": "x", "currency": "EUR"}, None, ("not_money",)),
        ({"sum": 5}, None, ("wrong_type",)),
        (True, None, ("wrong_type",)),
        (float("nan"), None, ("not_a_number",)),
        (float("inf"), None, ("not_a_number",)),
        ([5], None, ("wrong_type",)),
    ],
)
def test_a_mapping_may_take_money_from_numbers_and_objects(value, found, flags):
    answer = CONVERSIONS["money"](value)
    assert (answer.value, answer.flags) == (found, flags)
    json.dumps(answer.value)


@pytest.mark.parametrize(("word", "code"), [("€", "EUR"), ("eur", "EUR"), ("$", None), ("R$", "BRL"), ("xyz", None)])
def test_a_sign_or_word_stands_for_a_currency(word, code):
    assert currency_code(word) == code


def test_there_are_tables_worth_their_name():
    assert len(KNOWN) + len(UNKNOWN) >= 80


@given(st.text(max_size=60) | st.text(alphabet="0123456789.,' -+()kM%€$£ EUReuro\ud800\x00", max_size=30))
def test_any_text_gives_money_that_stays_the_same_or_a_flag(text):
    found = normalize_money(text)
    if found.value is None:
        assert found.flags or not text
    else:
        assert to_money(found.value).value == found.value


@pytest.mark.parametrize("text", ["€" * 100_000, "1" * 100_000, "mil " * 25_000, "1 € " * 25_000])
def test_a_hundred_kilobytes_are_refused(text):
    assert normalize_money(text).value is None
