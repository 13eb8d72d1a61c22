"""The fast reading and checking of numbers says what libphonenumber says, for every region of the world."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from pipeline.values.phones.matching import phone_type
from pipeline.values.phones.plans import country_code_of, is_possible, is_valid, kind_of, read_plain, region_plan

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
NAMES = {
    PhoneNumberType.FIXED_LINE: "fixed", PhoneNumberType.MOBILE: "mobile", PhoneNumberType.VOIP: "voip",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile", PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium", PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.PERSONAL_NUMBER: "personal", PhoneNumberType.PAGER: "pager", PhoneNumberType.UAN: "company_wide",
    PhoneNumberType.VOICEMAIL: "voicemail", PhoneNumberType.UNKNOWN: None,
}  # fmt: skip
KINDS = [kind for kind in PhoneNumberType.values() if kind != PhoneNumberType.UNKNOWN]
FORMATS = [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL]


def by_the_library(text, region):
    """(country code, national number), validity, straight from libphonenumber."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None, False
    read = str(number.country_code), phonenumbers.national_significant_number(number)
    is_valid_here = region is not None and phonenumbers.is_valid_number_for_region(number, region)
    return read, is_valid_here or phonenumbers.is_valid_number(number)


def kind_by_the_library(text):
    try:
        return NAMES[phonenumbers.number_type(phonenumbers.parse(text))]
    except NumberParseException:
        return None


def spoiled(national, dice):
    """Numbers near this one: some other digits, one too many or too few."""
    yield national
    for _ in range(12):
        digits = [dice.choice("0123456789") if dice.random() < 0.25 else digit for digit in national]
        yield "".join(digits)[: dice.choice([-1, *[None] * 5])] + dice.choice(["", "", "", "", "7"])


def assert_kinds_are_the_library_s(regions, dice):
    """Of every kind of number that these regions have, and of numbers near them. Gives the kinds that were met."""
    met = set()
    for region in regions:
        code = phonenumbers.country_code_for_region(region)
        for kind in KINDS:
            example = phonenumbers.example_number_for_type(region, kind)
            for national in spoiled(phonenumbers.national_significant_number(example), dice) if example else ():
                number = f"+{code}{national}"
                found = phone_type.__wrapped__(number)
                assert found == kind_by_the_library(number), number
                met.add(found)
    return met


def numbers_of(region, dice):
    """Every kind of number the region has, in three formats, and spoiled ones: wrong digits, too short, too long."""
    code = phonenumbers.country_code_for_region(region)
    examples = [example for kind in KINDS if (example := phonenumbers.example_number_for_type(region, kind))]
    for example in examples:
        for number_format in FORMATS:
            yield phonenumbers.format_number(example, number_format), dice.choice([None, region])
        national = phonenumbers.national_significant_number(example)
        for _ in range(6):
            digits = [dice.choice("0123456789") if dice.random() < 0.2 else digit for digit in national]
            spoiled = "".join(digits)[: dice.choice([-1, None, None, None])] + dice.choice(["", "", "", "7"])
            yield f"+{code}{spoiled}", None
            yield f"+{code} (0) {spoiled}", None
            yield spoiled, region
            yield f"0{spoiled}", region
            yield f"{code}{spoiled}", region
            yield f"1 ({spoiled[:3]}) {spoiled[3:]}", region


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.long
def test_what_is_read_fast_is_read_as_the_library_reads_it(seed):
    dice = random.Random(seed)
    read_count = 0
    texts = [text for region in REGIONS for text in numbers_of(region, dice)]
    for text, region in texts:
        expected, is_valid_number = by_the_library(text, region)
        found = read_plain(text, region)
        if found is not None:
            read_count += 1
            assert found == expected, (text, region)
        if expected is not None:
            assert is_valid(*expected, region) == is_valid_number, (text, region)
            number = phonenumbers.parse(text, region)
            assert is_possible(*expected) == phonenumbers.is_possible_number(number), (text, region)
    assert len(texts) > 30_000
    assert read_count > 0.8 * len(texts)  # the library is asked for the rest


def test_the_kind_of_a_line_is_the_one_that_the_library_names():
    regions = ["US", "CA", "GB", "JE", "KZ", "RU", "IT", "VA", "DE", "BR", "MX", "AR", "IN"]  # codes of one and several
    assert {None, "fixed", "mobile", "fixed_or_mobile", "toll_free", "premium"} <= assert_kinds_are_the_library_s(
        regions, random.Random(1)
    )


@pytest.mark.long
def test_the_kind_of_a_line_is_the_one_that_the_library_names_all_over_the_world():
    assert assert_kinds_are_the_library_s(REGIONS, random.Random(2)) == set(NAMES.values())


def test_a_line_of_no_country_has_a_kind_too():
    assert kind_of("800", "12345678") == "toll_free"
    assert kind_of("999", "123456") is None


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("202-456-1414 x5", "US"),  # an extension
        ("1-800-FLOWERS", "US"),
        ("00 34 600 111 222", "ES"),  # an exit code
        ("0 15 11 98123-4567", "BR"),  # a carrier's code
        ("011 15-2345-6789", "AR"),  # a transformed prefix
        ("600111222", None),
        ("600111222", "XX"),
        ("+0600111222", None),
        ("12", "US"),
        ("", "US"),
    ],
)
def test_what_is_not_plain_is_left_to_the_library(text, region):
    assert read_plain(text, region) is None


def test_numbers_of_no_country_have_a_plan_too():
    assert read_plain("+800 1234 5678", None) == ("800", "12345678")
    assert is_valid("800", "12345678")
    assert not is_valid("800", "1234567")


def test_what_is_no_region_has_no_plan():
    assert region_plan("XX") is None
    assert country_code_of("999123") is None
    assert not is_valid("999", "123456")
    assert not is_possible("999", "123456")
