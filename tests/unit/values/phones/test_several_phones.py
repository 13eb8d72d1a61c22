"""Cells with several numbers: all come out in order, or a flag says that one did not."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.phones.phones import normalize_phone

SEPARATORS = [
    *(
        "; ",
        ", ",
        " | ",
        " / ",
        "\n",
        "\t",
        " ::: ",
        " :: ",
        " - ",
        " \u2013 ",
        " \u2014 ",
        " \u2022 ",
        "\u3001",
        " & ",
        " + ",
        "  ",
    ),
    *(
        " und ",
        " and ",
        " or ",
        " oder ",
        " y ",
        " o ",
        " e ",
        " ou ",
        " et ",
        "\u00a6",
        " => ",
        " * ",
        " -- ",
        " \u00b7 ",
    ),
    *(", alt ", " (old) ", "; secondary: ", " M: ", " 2) ", " Mobil ", " bzw. ", " tel:", " = ", "\r\n", " "),
]
PAIRS = [
    ("US", "(312) 555-0142", "+1 312-555-0143", "+13125550142", "+13125550143"),
    ("US", "312-555-0142", "312-555-0143", "+13125550142", "+13125550143"),
    ("DE", "030 901820", "030 901821", "+4930901820", "+4930901821"),
    ("DE", "+49 30 901820", "+49 30 901821", "+4930901820", "+4930901821"),
    ("ES", "600 111 222", "600 111 333", "+34600111222", "+34600111333"),
    ("FR", "06 12 34 56 78", "01 42 68 53 00", "+33612345678", "+33142685300"),
    ("BR", "(11) 96123-4567", "(11) 3123-4567", "+5511961234567", "+551131234567"),
]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize(("region", "first", "second", "one", "two"), PAIRS)
def test_two_numbers_come_out_whatever_stands_between_them(region, first, second, one, two, separator):
    found = normalize_phone(f"{first}{separator}{second}", (region,))
    assert (found.value, found.others) == (one, (two,))
    assert found.flags[0] == "several_values"
    assert "partly_read" not in found.flags


@pytest.mark.parametrize(
    "text",
    [
        "primary 030 901820; secondary: 030 901821",
        "1) 030 901820 2) 030 901821",
        "T: 030 901820 M: 030 901821",
        "030 901820 (old: 030 901821)",
        "030 901820 (work) 030 901821 (home)",
        "030 901820 ext 12 / 030 901821",
        "Tel. 030 901820 oder 030 901821",
    ],
)
def test_labels_and_extensions_hide_no_number(text):
    found = normalize_phone(text, ("DE",))
    assert (found.value, found.others) == ("+4930901820", ("+4930901821",))


@pytest.mark.parametrize(
    "text", ["030 901820; 123456", "030 901820 \u2022 999 999 999 999", "030 901820 and 0000 12345"]
)
def test_digits_that_are_no_number_are_missed_with_a_flag(text):
    found = normalize_phone(text, ("DE",))
    assert (found.value, found.others) == ("+4930901820", ())
    assert "partly_read" in found.flags
    assert found.raw == text


def test_more_numbers_than_are_kept_are_cut_between_two_of_them():
    found = normalize_phone("; ".join(f"030 9018{number:02}" for number in range(100)), ("DE",))
    assert found.value == "+4930901800"
    assert len(found.others) == 19
    assert "truncated" in found.flags


@pytest.mark.parametrize("text", ["49 151 2345670", "491512345670", "49170123456", "49-170-123456", "(49) 170 123456"])
def test_a_german_number_a_digit_short_is_no_landline_in_leer(text):
    assert normalize_phone(text, ("DE",)).value is None


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("4930901820", "DE", "+4930901820"),
        ("46 8 123 456", "SE", "+468123456"),
        ("0049 151 23456780", "DE", "+4915123456780"),
        ("49 0151 23456780", "DE", "+4915123456780"),
        ("+49 (0) 151 23456780", "DE", "+4915123456780"),
        ("0491 5123450", "DE", "+494915123450"),
        ("393 1234560", "IT", "+393931234560"),
        ("91812 34560", "IN", "+919181234560"),
        ("55 99123-4560", "BR", "+5555991234560"),
        ("47 40 61 23", "NO", "+4747406123"),
    ],
)
def test_digits_that_begin_with_the_region_s_own_code_are_national_only_where_no_trunk_prefix_is_missing(
    text, region, number
):
    assert normalize_phone(text, (region,)).value == number


def may_be_left_out(metadata: phonenumbers.PhoneMetadata) -> bool:
    """Whether people write numbers of the region without the trunk prefix: India's, Kazakhstan's as Russia's."""
    main = phonenumbers.region_code_for_country_code(metadata.country_code)
    formats = metadata.number_format or phonenumbers.PhoneMetadata.metadata_for_region(main).number_format
    return any(form.national_prefix_optional_when_formatting for form in formats)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_no_region_reads_a_short_international_number_as_a_national_one_without_its_trunk_prefix(region):
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        code, national = str(example.country_code), phonenumbers.national_significant_number(example)
        for short in (national[:-1], national[:-2]):
            value = normalize_phone(f"{code} {short}", (region,)).value
            if value is not None and value.removeprefix(f"+{code}").startswith(code):
                written = phonenumbers.format_number(phonenumbers.parse(value), phonenumbers.PhoneNumberFormat.NATIONAL)
                assert not written.startswith(metadata.national_prefix or "+") or may_be_left_out(metadata)


def numbers_of(region: str) -> st.SearchStrategy[str]:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.FIXED_LINE)
    base = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    return st.from_regex(r"[0-9]{3}", fullmatch=True).map(lambda end: base[:-3] + end)


@pytest.mark.parametrize("region", ["US", "DE", "ES", "FR", "GB", "BR", "NL", "CH", "IN", "AU"])
@given(data=st.data())
def test_of_any_cell_all_numbers_come_out_or_a_flag_says_so_and_none_is_made_of_two(region, data):
    known = numbers_of(region).filter(lambda number: normalize_phone(number, (region,)).value == number)
    numbers = data.draw(st.lists(known, min_size=1, max_size=6, unique=True))
    style = data.draw(
        st.sampled_from([phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL])
    )
    written = [phonenumbers.format_number(phonenumbers.parse(number), style) for number in numbers]
    separators = data.draw(st.lists(st.sampled_from(SEPARATORS), min_size=len(numbers), max_size=len(numbers)))
    cell = "".join(f"{separator}{number}" for number, separator in zip(written, ["", *separators], strict=False))
    found = normalize_phone(cell, (region,))
    out = [number for number in (found.value, *found.others) if number]
    assert set(out) <= set(numbers)
    assert out == numbers or found.value is None or "partly_read" in found.flags
