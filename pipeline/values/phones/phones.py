"""Phone numbers as E.164. Only a number that libphonenumber holds to be valid becomes one.

A merely possible number (right length, area code that does not exist) is most often a typo or made up: as evidence
it would merge strangers, in the CRM it would look checked. It is flagged and its text is kept raw.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException

from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.phones.cells import FEWEST_DIGITS, PhoneText, digits_in, read_cell
from pipeline.values.phones.matching import is_fictional, phone_type, repaired
from pipeline.values.phones.plans import is_possible, is_valid, lacks_trunk, read_plain, region_plan
from pipeline.values.phones.several import FEWEST_OF_TWO, numbers_in
from pipeline.values.text.text import raw_excerpt, text_before_last

_CELL_LIMIT = 1_000  # characters of a cell that are looked at
_PARTS_LIMIT = 20  # numbers taken from one cell
_EXIT_CODE = re.compile(r"^\(?\s*(?:00|\+\s*00)\)?[\s.-]*(?=[1-9(])")
_NORTH_AMERICAN_EXIT_CODE = re.compile(r"^011[\s.-]*(?=[1-9])")
_SPACING = re.compile(r"[ .()/-]+")
_DIGITS_ONLY = re.compile(r"^[1-9][0-9]{10,14}\Z")
_PLACEHOLDER = Normalized(None, ("placeholder",))
_TRUNK_IN_BRACKETS = re.compile(r"\s*\(0\)\s*")
_LETTERS = re.compile(r"[0-9].*(?:[A-Za-z].*){3}")  # 1-800-FLOWERS
# Lines that are advertised by words. Of a person's number the words beside it are none of it.
_LETTERED_TYPES = ("toll_free", "premium", "shared_cost", "company_wide")
_RUN = 7  # digits at the end of a number that, all the same or in a row, nobody is given by chance
_IN_A_ROW = frozenset("01234567890"[i : i + _RUN] for i in range(5)) | frozenset(
    "9876543210"[i : i + _RUN] for i in range(4)
)
_ALL_DIGITS = frozenset(("123456789", "1234567890", "0123456789", "01234567890", "9876543210", "987654321"))


class _Reading(NamedTuple):
    """One way to read a text: `region` for national numbers, `flag` if it is a guess better than the others."""

    text: str
    region: str | None
    flag: str | None = None


class _Number(NamedTuple):
    country_code: str
    national: str
    flags: tuple[str, ...]


def normalize_phone(text: str, regions: tuple[str, ...] = ()) -> Normalized:
    """E.164, read with its own prefix or else in the first of `regions` (alpha-2) where it is valid.

    Flags without a value: `invalid_number`, `impossible_number`, `placeholder`, `region_unknown`,
    `scientific_notation`, `not_a_phone`. With one: `extension`, `several_values`, `other_region` (valid only in a later
    region), `prefix_assumed` (international digits without a plus), `old_format` (Mexico's 1, Brazil's missing ninth
    digit repaired), `vanity` (letters read as digits); of the number itself: `fictional`, `sequence`.
    """
    normalized = _normalize(text, regions) if len(text) <= _CELL_LIMIT else _of_long(text, regions)
    if normalized.value == text or normalized is NOTHING:
        return normalized
    return Normalized(normalized.value, normalized.flags, raw_excerpt(text), normalized.others)


def normalize_whatsapp_id(text: str) -> Normalized:
    """The number behind a WhatsApp id (34600111222, 5215512345678@s.whatsapp.net, wa.me/…): always international.

    Flags as `normalize_phone`. Ids that hide the number (`@lid`, business-scoped ones) are `not_a_phone`.
    """
    digits = text.strip()
    phone = normalize_phone(f"+{digits}" if digits.isdecimal() else text)
    if phone.value is None and not phone.flags:
        return phone
    flags = tuple(flag for flag in phone.flags if flag != "prefix_assumed")
    return Normalized(phone.value, flags, None if phone.value == text else raw_excerpt(text), phone.others)


def _of_long(text: str, regions: tuple[str, ...]) -> Normalized:
    """Of the beginning of a cell, up to a sign between two numbers: none is cut in two."""
    beginning = _normalize(text_before_last(text, "\n,;|", _CELL_LIMIT), regions)
    return beginning._replace(flags=(*(beginning.flags or ("not_a_phone",)), "truncated"))


@lru_cache(maxsize=8192)
def _normalize(text: str, regions: tuple[str, ...]) -> Normalized:
    cell = read_cell(text)
    if not isinstance(cell, PhoneText):
        return cell
    wholes = [_read(part, regions) for part in cell.parts]
    is_one = len(wholes) == 1 and _is_one(cell.parts[0])
    if is_one and (wholes[0] is _PLACEHOLDER or wholes[0].value is not None):
        return Normalized(wholes[0].value, cell.flags + wholes[0].flags) if cell.flags else wholes[0]
    parts = [
        numbers_in(part, whole, lambda piece: _read(piece, regions))
        for part, whole in zip(cell.parts, wholes, strict=True)
        if whole is not _PLACEHOLDER or not _is_one(part)
    ]
    numbers = [number for part in parts for number in part.found]
    if not numbers:
        return wholes[0] if len(wholes) == 1 else _read(cell.text, regions)
    return _answer(numbers, cell, has_unread=any(part.has_unread for part in parts))


def _answer(numbers: list[Normalized], cell: PhoneText, *, has_unread: bool) -> Normalized:
    values = list(dict.fromkeys(number.value for number in numbers))
    noticed = [flag for number in numbers for flag in number.flags]
    several = ("several_values",) if len(cell.parts) > 1 or len(values) > 1 else ()
    missing = ("partly_read",) if has_unread else ()
    cut = ("truncated",) if len(values) > _PARTS_LIMIT else ()
    flags = dict.fromkeys((*several, *missing, *cut, *cell.flags, *noticed))
    return Normalized(values[0], tuple(flags), None, tuple(values[1:_PARTS_LIMIT]))


def _is_one(part: tuple[str, bool]) -> bool:
    """Whether a number cannot be two shorter ones with a space between them, as far as its length tells."""
    return digits_in(part[0]) < FEWEST_OF_TWO


def _read(part: tuple[str, bool], regions: tuple[str, ...]) -> Normalized:
    """One number: the first reading that is valid, else why the first one is not."""
    text, has_extension = part
    readings = _readings(text, regions)
    refused: _Number | None = None
    is_foreign = False
    for reading in readings:
        number = _number_of(reading)
        if isinstance(number, NumberParseException):
            is_foreign |= number.error_type == NumberParseException.INVALID_COUNTRY_CODE and reading.text[0] == "+"
            continue
        code, national, flags = number
        if "vanity" in flags and not _may_have_letters(code, national):
            continue
        if not is_valid(code, national, reading.region) and not is_fictional(code, national):
            refused = refused or number
            present = repaired(code, national, from_abroad=reading.region is None)
            if present is None:
                continue
            national, flags = present, (*flags, "old_format")
        if _is_placeholder(national):
            return _PLACEHOLDER
        if has_extension and "extension" not in flags:
            flags += ("extension",)
        return Normalized(f"+{code}{national}", flags + _flags_of(code, national))
    digits = "".join(filter(str.isdigit, text))
    if _is_placeholder(digits):
        return _PLACEHOLDER
    if refused is not None:
        has_a_length = is_possible(refused.country_code, refused.national)
        return Normalized(None, ("invalid_number" if has_a_length else "impossible_number",))
    if is_foreign:
        return Normalized(None, ("invalid_number",))
    return Normalized(None, ("not_a_phone" if readings or len(digits) < FEWEST_DIGITS else "region_unknown",))


def _number_of(reading: _Reading) -> _Number | NumberParseException:
    """The number a reading says, valid or not; or what the library found wrong with it."""
    flags: tuple[str, ...] = (reading.flag,) if reading.flag else ()
    plain = read_plain(reading.text, reading.region)
    if plain is not None:
        return _Number(*plain, flags)
    try:
        parsed = phonenumbers.parse(reading.text, reading.region)
    except NumberParseException as error:
        return error
    if _LETTERS.search(reading.text):
        flags += ("vanity",)
    if parsed.extension:
        flags += ("extension",)
    return _Number(str(parsed.country_code), phonenumbers.national_significant_number(parsed), flags)


def _flags_of(code: str, national: str) -> tuple[str, ...]:
    if is_fictional(code, national):
        return ("fictional",)
    return ("sequence",) if national[-_RUN:] in _IN_A_ROW else ()


def _is_placeholder(digits: str) -> bool:
    """Typed to get past a required field: one digit seven times and more at the end, or all digits in a row."""
    return digits in _ALL_DIGITS or (len(digits) >= _RUN and digits[-_RUN:] == digits[-1] * _RUN)


def _may_have_letters(code: str, national: str) -> bool:
    return code == "1" or phone_type(f"+{code}{national}") in _LETTERED_TYPES


def _readings(text: str, regions: tuple[str, ...]) -> list[_Reading]:
    """In the order they are tried."""
    exit_code = _EXIT_CODE.match(text)
    if exit_code:
        text = "+" + text[exit_code.end() :]
    if text.startswith(("+", "(+")):
        text = text.lstrip("(")
        readings = [_Reading(text, None)]
        if "(0)" in text:  # written by habit where there is no trunk prefix: +34 (0)600 111 222
            readings.append(_Reading(_TRUNK_IN_BRACKETS.sub(" ", text), None))
        return readings
    readings = []
    bare = _SPACING.sub("", text)  # how a number is spaced says nothing of what it is
    for place, region in enumerate(regions):
        flag = "other_region" if place else None
        # Eleven digits and more that begin with the region's own code are international: so WhatsApp and CRMs write
        # them. Where numbers vary in length, as in Germany, they would pass for national ones too.
        plan = region_plan(region)
        if plan is not None and bare.startswith(plan.country_code) and bare.isdecimal():
            # 49 151 2345670 has lost a digit and is no landline in Leer (0491): there the trunk's 0 would stand.
            is_international = lacks_trunk(region, bare)
            if is_international or _DIGITS_ONLY.match(bare):
                readings.append(_Reading("+" + bare, None, flag))
            if is_international:
                continue
        readings.append(_Reading(text, region, flag))
    north_american = _NORTH_AMERICAN_EXIT_CODE.match(text)
    if north_american:
        readings.append(_Reading("+" + text[north_american.end() :], None, "prefix_assumed"))
    # Eleven digits may be a national number with a typo as well: with a region at hand, twelve are asked for.
    if _DIGITS_ONLY.match(text) and (len(text) > 11 or not regions):
        readings.append(_Reading("+" + text, None, "prefix_assumed"))
    return readings
