"""Phone numbers beyond their spelling: the forms one line may be written in, its kind, and ranges that are nobody's.

The stored form is what libphonenumber holds to be right today; leads, WhatsApp and old address books also know a line
by the number it had before its country changed the plan.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from pipeline.values.phones.plans import is_valid, kind_of, read_plain
from pipeline.values.vocabularies import vocabulary

_TYPES = {
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "company_wide",
    PhoneNumberType.VOICEMAIL: "voicemail",
}
_BRAZIL, _MEXICO, _ARGENTINA = "+55", "+52", "+54"
_OLD_BRAZILIAN_MOBILE = re.compile(r"\+55\d\d[6-9]\d{7}\Z")  # before 2016
_BRAZILIAN_MOBILE = re.compile(r"\+55\d\d9[6-9]\d{7}\Z")
_MEXICAN = re.compile(r"\+521?(\d{10})\Z")


def match_forms(e164: str) -> tuple[str, ...]:
    """Every E.164 form of the line, the canonical one first; equal lines have equal first forms.

    Mexico with and without the mobiles' old 1 (abolished in 2019), Brazil with and without the mobiles' ninth digit
    (until 2016; WhatsApp ids still lack it), Argentina with and without the mobiles' 9. Text that is no E.164 is its
    own only form.
    """
    country = e164[:3]
    if country == _MEXICO:
        mexican = _MEXICAN.match(e164)
        if mexican:
            return (f"+52{mexican[1]}", f"+521{mexican[1]}")
    elif country == _BRAZIL:
        if _OLD_BRAZILIAN_MOBILE.match(e164):
            return (f"{e164[:5]}9{e164[5:]}", e164)
        if _BRAZILIAN_MOBILE.match(e164):
            return (e164, f"{e164[:5]}{e164[6:]}")
    elif country == _ARGENTINA:
        return _argentine_forms(e164)
    return (e164,)


@lru_cache(maxsize=8192)
def phone_type(e164: str) -> str | None:
    """What kind of line it is: fixed, mobile, fixed_or_mobile (North America), toll_free, premium, shared_cost, voip,
    personal, pager, company_wide, voicemail; None for what is no valid E.164 number.
    """
    if e164[:1] != "+" or not e164.isascii() or not e164[1:].isdecimal():
        return None
    plain = read_plain(e164, None)
    if plain is not None:
        return kind_of(*plain)
    try:
        return _TYPES.get(phonenumbers.number_type(phonenumbers.parse(e164)))
    except NumberParseException:
        return None


def is_fictional(code: str, national: str) -> bool:
    """Whether the number lies in a range kept free for films and examples (`vocabularies/fictional_numbers.yaml`)."""
    pattern = _fictional_numbers().get(code)
    return pattern is not None and pattern.match(f"+{code}{national}") is not None


def repaired(code: str, national: str, *, from_abroad: bool) -> str | None:
    """The national number in its country's present plan, if it is of an abolished one and valid after the change.

    `from_abroad`: it was written with its country code, as Mexico's mobile 1 always was.
    """
    return next(
        (form for form in _present_forms(code, national, from_abroad=from_abroad) if is_valid(code, form)), None
    )


def _present_forms(code: str, national: str, *, from_abroad: bool) -> list[str]:
    if code == "52":
        if len(national) == 11 and national[0] == "1" and from_abroad:  # mobiles called from abroad, until 2019
            return [national[1:]]
        for trunk in ("044", "045", "01"):  # called from within, until 2019
            if national.startswith(trunk) and len(national) == len(trunk) + 10:
                return [national[len(trunk) :]]
    elif code == "55" and len(national) == 10 and national[2] in "6789":  # mobiles, until 2016
        return [f"{national[:2]}9{national[2:]}"]
    elif code == "54" and len(national) == 13 and national[0] == "9":  # both marks of a mobile: +54 9 11 15 2345 6789
        return [national[:end] + national[end + 2 :] for end in (3, 4, 5) if national[end : end + 2] == "15"]
    return []


def _argentine_forms(e164: str) -> tuple[str, ...]:
    """Area code and number, ten digits, are one line's only: the 9 says mobile, and people leave it out."""
    national = e164[3:]
    if len(national) == 11 and national[0] == "9":
        plain = national[1:]
        return (f"+54{plain}", e164) if is_valid("54", plain) else (e164, f"+54{plain}")
    if len(national) == 10:
        return (e164, f"+549{national}")
    return (e164,)


@cache
def _fictional_numbers() -> dict[str, re.Pattern[str]]:
    return {
        code: re.compile("|".join(re.escape(form).replace(r"\?", r"\d") + r"\Z" for form in forms))
        for code, forms in vocabulary("fictional_numbers").items()
    }
