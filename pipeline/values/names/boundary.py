"""Where the family names of a name begin, by the kinds of its units and the custom of a country."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pipeline.values.names.words import COMPOUNDING, FAMILY_IBERIAN, FAMILY_OTHER, GIVEN, GIVEN_IBERIAN, INITIAL, LED

ALL_GIVEN = -1  # no family name among the units

_SPANISH = "spanish"  # two family names, the father's and the mother's
_PORTUGUESE = "portuguese"  # one or more, the mother's first
_ONE = "one"  # what stands between the first given name and it goes with the given names
_COUNTRIES = {
    _SPANISH: "AD AR BO CL CO CR CU DO EC ES GQ GT HN MX NI PA PE PR PY SV UY VE",
    _PORTUGUESE: "AO BR CV GW MZ PT ST TL",
    _ONE: (
        "AT AU BE BG CA CH CY CZ DE DK EE FI FR GB GR HR IE IL IS IT LI LT LU LV MC MT NL NO NZ PL RO RS SE SI SK US ZA"
    ),
}
_CUSTOMS = {country: custom for custom, countries in _COUNTRIES.items() for country in countries.split()}


def unit_codes(units: list[tuple[str, int]], country: str | None) -> str:
    """One letter per unit: g given, h Spanish or Portuguese given, f Spanish or Portuguese family, b given or such a
    family, c given or another language's family, i initial, l led by a particle, u unknown.
    """
    is_iberian = _CUSTOMS.get(country or "") in (_SPANISH, _PORTUGUESE)
    return "".join([_code(kind, is_iberian) for _, kind in units])


@lru_cache(maxsize=4096)
def boundary(codes: str, country: str | None) -> int | None:
    """How many of three or more units are given names; None if nothing tells."""
    custom = _CUSTOMS.get(country or "")
    if custom == _SPANISH:
        codes = _spelled_out(codes)
    codes = codes[:-1].replace("c", "g") + codes[-1].replace("c", "u")  # among three, the place tells which it is
    if codes[0] in "fl" or codes[-1] in "ghi":
        return None  # the family name in front, or a name cut off
    run = _given_run(codes)
    rest = codes[run:]
    if len(rest) == 1 or (rest[0] == "l" and len(rest) <= 3):
        return run
    if custom in (None, _ONE) and "h" in codes[:run]:  # a Spanish name, wherever its bearer lives now
        return _of_spanish(run, rest) if "f" in rest else None
    return _BY_CUSTOM.get(custom, _of_any)(run, rest)


def boundary_of_two(units: list[tuple[str, int]], country: str | None) -> int | None:
    """As `boundary` for two units; ALL_GIVEN for `Ana María`."""
    codes = unit_codes(units, country).replace("h", "g")
    if _CUSTOMS.get(country or "") == _SPANISH:
        codes = _spelled_out(codes)
    if codes == "gg":
        return ALL_GIVEN if units[0][1] & COMPOUNDING else None
    if codes[0] == "l" or codes == "ii" or (codes[1] == "g" and codes[0] != "g"):
        return None  # initials only, or the family name may be in front
    return 1


def _spelled_out(codes: str) -> str:
    """Initials behind a name are family names cut short where people have two: `María G.`, `Ana S. López G.`."""
    short = codes.rstrip("i")
    return short + "u" * (len(codes) - len(short)) if short else codes


def _of_spanish(run: int, rest: str) -> int | None:
    """The last two, unless a given name is among them or a family name before them."""
    if len(rest) == 2:
        return None if rest[0] == "b" and run == 1 else run
    return run + 1 if len(rest) == 3 and run == 1 and rest[0] in "ub" else None


def _of_portuguese(run: int, rest: str) -> int | None:
    if rest[0] == "f":
        return run if len(rest) <= 4 else None
    if rest[0] == "b":
        return run if run > 1 and len(rest) <= 3 else None
    return run if len(rest) == 2 or (run > 1 and len(rest) == 3) else None


def _of_one(run: int, rest: str) -> int | None:
    """Middle names go with the given names, unless these are Spanish or Portuguese family names."""
    if rest[0] == "f":
        return run if len(rest) == 2 and rest[1] in "fbl" else None
    if "f" in rest or "l" in rest[:-1] or run + len(rest) > 4:
        return None
    return run + len(rest) - 1


def _of_any(run: int, rest: str) -> int | None:
    """Spanish and Portuguese family names tell by themselves where they begin."""
    if rest[0] == "f":
        return run if len(rest) <= 3 else None
    return run if rest == "bf" and run > 1 else None


def _given_run(codes: str) -> int:
    """Leading units that are given names or initials; the last one is never counted."""
    run = 1
    while run < len(codes) - 1 and codes[run] in "ghi":
        run += 1
    return run


def _code(kind: int, is_iberian: bool) -> str:  # noqa: FBT001 - private
    if kind & LED:
        return "l"
    if kind & GIVEN:
        if kind & FAMILY_IBERIAN:
            return "b"
        if kind & FAMILY_OTHER and not is_iberian:
            return "c"
        return "h" if kind & GIVEN_IBERIAN else "g"
    if kind & FAMILY_IBERIAN:
        return "f"
    return "i" if kind & INITIAL else "u"


_BY_CUSTOM: dict[str | None, Callable[[int, str], int | None]] = {
    _SPANISH: _of_spanish,
    _PORTUGUESE: _of_portuguese,
    _ONE: _of_one,
}
