"""Phone numbers as E.164. Only a number that libphonenumber holds to be valid becomes one (and a match key).

A merely possible number (right length, area code that does not exist) is most often a typo or made up: as a match key
it would merge strangers, in the CRM it would look checked. It is flagged and its text is kept raw.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

from pipeline.stages.text import clean_line, raw_excerpt
from pipeline.stages.values import NOTHING, Normalized

_FEWEST_DIGITS = 6  # what a part of a cell needs to be looked at as a number of its own
_CELL_LIMIT = 250  # characters of a cell that are looked at; libphonenumber refuses longer texts anyway
_SEPARATORS = re.compile(r"\s*(?:[;|,]|\s/\s|/(?=\s*[+0(])|\bor\b|\bo\b|\bou\b|\boder\b)\s*", re.IGNORECASE)
_EXCEL_WRAPPING = re.compile(r"^[='\"`\s]+|['\"`\s]+$")
# Excel shows +491701234567 as 4.9170E+11: the digits are lost, so such a cell is refused rather than guessed.
_SCIENTIFIC = re.compile(r"^[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+$")
_FLOAT_TAIL = re.compile(r"(?<=^\d{7})(\d{0,8})\.0$")  # 491701234567.0: a spreadsheet's number, nothing lost
_REMARK = re.compile(r"\s*\([^()\d+]*\)$")  # (mobile)
_SCHEME = re.compile(r"^(?:tel|phone|whatsapp|callto|sms)\s*:\s*", re.IGNORECASE)
_EXIT_CODE = re.compile(r"^\(?\s*(?:00|\+\s*00)\)?[\s.-]*(?=[1-9(])")
_NORTH_AMERICAN_EXIT_CODE = re.compile(r"^011[\s.-]*(?=[1-9])")
_DIGITS_ONLY = re.compile(r"^[1-9]\d{10,14}$")
# typed to get past a required field
_PLACEHOLDER = re.compile(r"^(\d)\1{6,}$|^0?123456789?0?$|^9876543210?$")
_MEXICO_TRUNK = re.compile(r"^(?:044|045|01)(?=\d{10}$)")


def normalize_phone(text: str, regions: tuple[str, ...] = ()) -> Normalized:
    """E.164, read with its own prefix or else in the first of `regions` (alpha-2) where it is valid.

    Flags without a value: `invalid_number`, `impossible_number`, `placeholder`, `region_unknown`,
    `scientific_notation`, `not_a_phone`. With one: `extension`, `several_values`, `other_region` (valid only in a later
    region), `prefix_assumed` (international digits without a plus), `old_format` (Mexico's 1, Brazil's missing ninth
    digit repaired).
    """
    found = _normalize(text if len(text) <= _CELL_LIMIT else text[: _CELL_LIMIT + 1], regions)
    if found.value == text or found is NOTHING:
        return found
    return Normalized(found.value, found.flags, raw_excerpt(text), found.others)


@lru_cache(maxsize=8192)
def _normalize(text: str, regions: tuple[str, ...]) -> Normalized:
    clean = _SCHEME.sub("", _EXCEL_WRAPPING.sub("", clean_line(text)))
    if not clean:
        return NOTHING if not text else Normalized(None, ("not_a_phone",))
    if _SCIENTIFIC.match(clean):
        return Normalized(None, ("scientific_notation",))
    clean = _FLOAT_TAIL.sub(r"\1", _REMARK.sub("", clean))
    whole = _read(clean, regions)
    if whole.value is not None:
        return whole
    parts = [part for part in _SEPARATORS.split(clean) if sum(map(str.isdigit, part)) >= _FEWEST_DIGITS]
    if len(parts) < 2:
        return whole
    numbers = [number for number in (_read(part, regions) for part in parts[:10]) if number.value is not None]
    values = list(dict.fromkeys(number.value for number in numbers))
    if not values:
        return whole
    flags = dict.fromkeys(("several_values", *(flag for number in numbers for flag in number.flags)))
    return Normalized(values[0], tuple(flags), None, tuple(values[1:]))


def _read(text: str, regions: tuple[str, ...]) -> Normalized:
    """One number: the first reading that is valid, else why the first one is not."""
    readings = _readings(text, regions)
    has_digits = sum(map(str.isdigit, text)) >= _FEWEST_DIGITS
    refusal = "not_a_phone" if readings or not has_digits else "region_unknown"
    for reading, region, flag in readings:
        try:
            number = phonenumbers.parse(reading, region)
        except NumberParseException as error:
            if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and reading.startswith("+"):
                refusal = "invalid_number"
            continue
        flags = [flag] if flag else []
        if not _is_valid(number, region):
            if refusal == "not_a_phone":
                refusal = "invalid_number" if phonenumbers.is_possible_number(number) else "impossible_number"
            if not _repair(number) or not phonenumbers.is_valid_number(number):
                continue
            flags.append("old_format")
        if _PLACEHOLDER.match(str(number.national_number)):
            refusal = "placeholder"
            break
        if number.extension:
            flags.append("extension")
        return Normalized(phonenumbers.format_number(number, PhoneNumberFormat.E164), tuple(flags))
    return Normalized(None, (refusal,))


def _is_valid(number: PhoneNumber, region: str | None) -> bool:
    """Valid in the region it was read in is valid, and found without trying the twenty-five that share a code of 1."""
    if region is not None and phonenumbers.is_valid_number_for_region(number, region):
        return True
    return phonenumbers.is_valid_number(number)


def _readings(text: str, regions: tuple[str, ...]) -> list[tuple[str, str | None, str | None]]:
    """(text, region, flag) in the order they are tried."""
    exit_code = _EXIT_CODE.match(text)
    if exit_code:
        return [("+" + text[exit_code.end() :], None, None)]
    if text.startswith(("+", "\uff0b", "(+")):
        return [(text.lstrip("("), None, None)]
    readings: list[tuple[str, str | None, str | None]] = []
    for place, region in enumerate(regions):
        # Eleven digits and more that begin with the region's own code are international: so WhatsApp and CRMs write
        # them. Where numbers vary in length, as in Germany, they would pass for national ones too.
        if _DIGITS_ONLY.match(text) and text.startswith(str(phonenumbers.country_code_for_region(region) or "+")):
            readings.append(("+" + text, None, "other_region" if place else None))
        readings.append((text, region, "other_region" if place else None))
    north_american = _NORTH_AMERICAN_EXIT_CODE.match(text)
    if north_american:
        readings.append(("+" + text[north_american.end() :], None, "prefix_assumed"))
    # Eleven digits may be a national number with a typo as well: with a region at hand, twelve are asked for.
    if _DIGITS_ONLY.match(text) and (len(text) > 11 or not regions):
        readings.append(("+" + text, None, "prefix_assumed"))
    return readings


def _repair(number: PhoneNumber) -> bool:
    """Bring a number of an abolished numbering plan into the present one. True if anything was done."""
    national = str(number.national_number or "")
    if number.italian_leading_zero:
        national = "0" * (number.number_of_leading_zeros or 1) + national
    if number.country_code == 52:
        if len(national) == 11 and national[0] == "1":  # mobiles called from abroad, until 2019
            return _renumber(number, national[1:])
        trunk = _MEXICO_TRUNK.match(national)  # called from within, until 2019
        return _renumber(number, national[trunk.end() :]) if trunk else False
    if number.country_code == 55 and len(national) == 10 and national[2] in "6789":  # mobiles, until 2016
        return _renumber(number, f"{national[:2]}9{national[2:]}")
    return False


def _renumber(number: PhoneNumber, national: str) -> bool:
    number.national_number = int(national)
    number.italian_leading_zero = None
    number.number_of_leading_zeros = None
    return True
