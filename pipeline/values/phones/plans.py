"""Numbering plans: libphonenumber's own metadata, compiled so that the common number is read and checked in 3 µs.

The library takes 20 µs a number: it cleans the text twice, tries ten patterns one after the other, and looks for the
region once more. Here a text of digits and plain signs is read by the same metadata; wherever the library would do
something special (a carrier's code, a transformed prefix, an exit code, letters), the answer is None: ask the library.
`tests/unit/values/phones/test_plans.py` holds both to the same answers over all regions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

_REGIONS = {str(code): regions for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}
_NO_REGION = "001"  # the library's name for what belongs to no country: +800, +870, …
_SIMPLE = re.compile(r"\+?[ (]{0,2}[0-9][0-9 ().\-/]{4,40}\Z")
_SIGNS = str.maketrans("", "", "+ ().-/")
_PLAIN_PREFIX = re.compile(r"[0-9]+\Z")
_SHORTEST, _LONGEST = 3, 17  # digits of a national number; the library has words of its own for others
_NEVER = re.compile(r"(?!)")


class Plan(NamedTuple):
    """What a region's numbers look like. Patterns are for whole national numbers (NSN), without the trunk prefix."""

    country_code: str
    general: re.Pattern[str]
    lengths: frozenset[int]
    lengths_locally: frozenset[int]  # without the area code
    by_length: dict[int, re.Pattern[str]]  # a number of this length is valid if it matches
    trunk_prefix: re.Pattern[str] | None
    is_trunk_plain: bool  # the prefix is digits to be taken off, nothing more
    exit_code: re.Pattern[str]
    leading_digits: re.Pattern[str] | None  # by which its numbers are known among regions of one country code
    kinds: tuple[tuple[str, frozenset[int], re.Pattern[str]], ...]  # name, lengths (empty: any), numbers
    is_mobile_as_fixed: bool
    always_with_trunk: tuple[
        tuple[re.Pattern[str], re.Pattern[str] | None], ...
    ]  # numbers written with the trunk prefix


def read_plain(text: str, region: str | None) -> tuple[str, str] | None:
    """(country code, national number) of digits and plain signs, as the library reads them; None: ask the library."""
    if not _SIMPLE.match(text):
        return None
    digits = text.translate(_SIGNS)
    code: str | None
    if text[0] == "+":
        code = country_code_of(digits)
        plan = _main_plan(code) if code else None
        national = digits[len(code) :] if code else None
    else:
        plan = region_plan(region) if region else None
        code = plan.country_code if plan else None
        national = _without_country_code(digits, plan) if plan else None
    if national is not None and plan is not None and _has_trunk(plan, national):
        national = _without_trunk(national, plan)
    return (code, national) if code and national and _SHORTEST <= len(national) <= _LONGEST else None


def _without_country_code(digits: str, plan: Plan) -> str | None:
    """Digits written without a plus may begin with their country code all the same."""
    if plan.exit_code.match(digits):
        return None
    if not digits.startswith(plan.country_code):
        return digits
    national = digits[len(plan.country_code) :]
    is_certain = plan.general.fullmatch(national) and not plan.general.fullmatch(digits)
    return national if is_certain and not _has_trunk(plan, national) else None


def _without_trunk(national: str, plan: Plan) -> str | None:
    if not plan.is_trunk_plain or plan.trunk_prefix is None:
        return None
    rest = plan.trunk_prefix.sub("", national, count=1)
    return rest if len(rest) in plan.lengths and plan.general.fullmatch(rest) else None


def is_valid(code: str, national: str, region: str | None = None) -> bool:
    """Whether the number is valid in `region`, or else anywhere its country code stands for."""
    if region is not None:
        plan = region_plan(region)
        if plan is not None and plan.country_code == code and _is_valid_in(plan, national):
            return True
    return any(
        _is_valid_in(plan, national) for name in _REGIONS.get(code, ()) if (plan := _plan_of(code, name)) is not None
    )


def kind_of(code: str, national: str) -> str | None:
    """What kind of line a number is, by the library's own order: `fixed`, `mobile`, …; None for an invalid one."""
    for region in _REGIONS.get(code, ()):
        plan = _plan_of(code, region)
        if plan is None:
            continue
        if len(_REGIONS[code]) > 1 and plan.leading_digits is not None:
            if plan.leading_digits.match(national):
                return _kind_in(plan, national)
        elif kind := _kind_in(plan, national):
            return kind
    return None


def _kind_in(plan: Plan, national: str) -> str | None:
    if not plan.general.fullmatch(national) or len(national) not in plan.lengths:
        return None
    found: str | None = None
    for kind, lengths, pattern in plan.kinds:
        if (lengths and len(national) not in lengths) or not pattern.fullmatch(national):
            continue
        if kind == "fixed":
            if plan.is_mobile_as_fixed:
                return "fixed_or_mobile"
            found = kind
        elif kind == "mobile":
            return kind if found is None else "fixed_or_mobile"
        else:
            return kind
    return found


def lacks_trunk(region: str, digits: str) -> bool:
    """Whether a number of the region made of just these digits is always written with a trunk prefix before them."""
    plan = region_plan(region)
    return plan is not None and any(
        whole.fullmatch(digits) and (leading is None or leading.match(digits))
        for whole, leading in plan.always_with_trunk
    )


def is_possible(code: str, national: str) -> bool:
    """Whether the number has a length that numbers of its country code have, dialed from anywhere or nearby."""
    plan = _main_plan(code) if code in _REGIONS else None
    return plan is not None and (len(national) in plan.lengths or len(national) in plan.lengths_locally)


def country_code_of(digits: str) -> str | None:
    """The country calling code that international digits begin with. No code begins another."""
    return next((digits[:size] for size in (1, 2, 3) if digits[:size] in _REGIONS), None)


@lru_cache(maxsize=512)
def region_plan(region: str) -> Plan | None:
    """The plan of a region (alpha-2), or None for a text that is no region."""
    metadata = PhoneMetadata.metadata_for_region(region.upper(), None)
    return _compiled(metadata) if metadata is not None else None


@lru_cache(maxsize=512)
def _main_plan(code: str) -> Plan | None:
    return _plan_of(code, _REGIONS[code][0])


@lru_cache(maxsize=512)
def _plan_of(code: str, region: str) -> Plan | None:
    if region != _NO_REGION:
        return region_plan(region)
    metadata = PhoneMetadata.metadata_for_nongeo_region(int(code), None)
    return _compiled(metadata) if metadata is not None else None


def _is_valid_in(plan: Plan, national: str) -> bool:
    pattern = plan.by_length.get(len(national))
    return pattern is not None and pattern.fullmatch(national) is not None


def _has_trunk(plan: Plan, national: str) -> bool:
    return plan.trunk_prefix is not None and plan.trunk_prefix.match(national) is not None


def _compiled(metadata: PhoneMetadata) -> Plan:
    general = metadata.general_desc
    pattern = (general and general.national_number_pattern) or _NEVER.pattern
    kinds = [
        kind
        for kind in (
            metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate, metadata.shared_cost,
            metadata.voip, metadata.personal_number, metadata.pager, metadata.uan, metadata.voicemail,
        )
        if kind is not None and kind.national_number_pattern
    ]  # fmt: skip
    lengths = frozenset(general.possible_length if general else ())
    by_length: dict[int, re.Pattern[str]] = {}
    for length in lengths:
        patterns = [
            kind.national_number_pattern for kind in kinds if not kind.possible_length or length in kind.possible_length
        ]
        if patterns:
            alternatives = "|".join(f"(?:{kind})" for kind in dict.fromkeys(patterns))
            by_length[length] = re.compile(f"(?=(?:{pattern})\\Z)(?:{alternatives})")
    prefix = metadata.national_prefix_for_parsing
    return Plan(
        country_code=str(metadata.country_code),
        general=re.compile(pattern),
        lengths=lengths,
        lengths_locally=frozenset(general.possible_length_local_only if general else ()),
        by_length=by_length,
        trunk_prefix=re.compile(prefix) if prefix else None,
        is_trunk_plain=bool(prefix and _PLAIN_PREFIX.match(prefix) and not metadata.national_prefix_transform_rule),
        exit_code=re.compile(metadata.international_prefix) if metadata.international_prefix else _NEVER,
        leading_digits=re.compile(metadata.leading_digits) if metadata.leading_digits else None,
        kinds=_kinds(metadata),
        is_mobile_as_fixed=metadata.same_mobile_and_fixed_line_pattern,
        always_with_trunk=_formats_with_trunk(metadata),
    )


def _kinds(metadata: PhoneMetadata) -> tuple[tuple[str, frozenset[int], re.Pattern[str]], ...]:
    """In the order in which the library asks for them."""
    named = (
        ("premium", metadata.premium_rate), ("toll_free", metadata.toll_free), ("shared_cost", metadata.shared_cost),
        ("voip", metadata.voip), ("personal", metadata.personal_number), ("pager", metadata.pager),
        ("company_wide", metadata.uan), ("voicemail", metadata.voicemail), ("fixed", metadata.fixed_line),
        ("mobile", None if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile),
    )  # fmt: skip
    return tuple(
        (name, frozenset(kind.possible_length), re.compile(str(kind.national_number_pattern)))
        for name, kind in named
        if kind is not None and kind.national_number_pattern
    )


def _formats_with_trunk(metadata: PhoneMetadata) -> tuple[tuple[re.Pattern[str], re.Pattern[str] | None], ...]:
    prefix = metadata.national_prefix
    return tuple(
        (
            re.compile(str(written.pattern)),
            re.compile(leading[-1]) if (leading := written.leading_digits_pattern) else None,
        )
        for written in metadata.number_format
        if prefix
        and prefix in (written.national_prefix_formatting_rule or "")
        and not written.national_prefix_optional_when_formatting
    )
