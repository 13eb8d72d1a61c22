"""States, provinces and regions: ISO 3166-2 where one code is certain, and only within the lead's own country.

Names and codes come from pycountry with its Spanish, Portuguese, French and German translations, other spellings from
`mappings/vocabularies/states.yaml`. One dictionary, built at the first question.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from pipeline.values.folding import fold
from pipeline.values.places.countries import LANGUAGES, country_code, translation
from pipeline.values.text.text import clean_line
from pipeline.values.vocabularies import vocabulary

_LIMIT = 100  # characters; the longest name in ISO 3166-2 has 65
_LEADING = re.compile(
    r"(?:estado(?: libre y soberano)?|edo|provincia|prov|pcia|departamento|depto|dpto|region|comunidad(?: autonoma)?"
    r"|state|province|county|commonwealth|land|bundesland|kanton|canton|departement|freistaat)"
    r"(?: (?:de la|del|de|do|da|of|du|la|von))? (?=\w)"
)
_TRAILING = re.compile(r" (?:state|province|region|county|department|estado|provincia)\Z")
_OF_LATE = re.compile(r"([^,\[\]()]+), ([^,\[\]()]+)\Z")  # "Asturias, Principado de"
_IN_BRACKETS = re.compile(r"([^\[\]()]+) [\[(]([^\[\]()]+)[\])]\Z")  # "Girona [Gerona]"


@lru_cache(maxsize=8192)
def state_code(state: str, country: str | None = None) -> str | None:
    """The ISO 3166-2 code, `MX-NLE`; None where no code or more than one fits.

    `country` (alpha-2) is the lead's. Without one only a whole code or a name that a single country in the world has
    and that is no country's own name is certain: "Nuevo León", not "Córdoba", not "Georgia".
    """
    text = clean_line(state[:_LIMIT])
    key = fold(text)
    if not key:
        return None
    whole = _codes().get(key)
    if whole is not None and "-" in text:
        return whole if country is None or whole.startswith(f"{country}-") else None
    if country is None:
        return _only_one().get(key) if country_code(text) is None else None
    names = _states().get(country)
    if names is None:
        return None
    code = names.get(key) or names.get(key.replace(" ", "")) or names.get(_LEADING.sub("", key, count=1))
    return code or names.get(_TRAILING.sub("", key)) or _beside_its_country(text, country, names)


def _beside_its_country(text: str, country: str, names: dict[str, str]) -> str | None:
    """The state in "Monterrey… Nuevo León, México": of the parts, the single one that is not the country."""
    parts = [part for part in re.split(r"\s*[,;()/]\s*|\s+-\s+", text) if part]
    others = [part for part in parts if country_code(part) != country]
    return names.get(fold(others[0])) if len(parts) > 1 and len(others) == 1 else None


@cache
def _states() -> dict[str, dict[str, str]]:
    """Country -> folded spelling -> code. What we list wins, then ISO's codes and names, then parts and translations.

    Within one of these layers a spelling of two states stands for neither.
    """
    import pycountry

    codes: dict[str, dict[str, str]] = {}
    for country, states in vocabulary("states").items():
        for code, spellings in states.items():
            for spelling in spellings:
                codes.setdefault(str(country), {})[fold(str(spelling))] = f"{country}-{code}"
    subdivisions = [
        (subdivision.country_code, subdivision.code, subdivision.name) for subdivision in pycountry.subdivisions
    ]
    layers: list[list[tuple[str, str, str]]] = [
        [(country, code, _bare(code)) for country, code, _ in subdivisions if _is_telling(code)],
        subdivisions,
        [(country, code, part) for country, code, name in subdivisions for part in _parts(name)],
    ]
    for language in LANGUAGES:
        translate = translation("iso3166-2", language)
        translated = [(country, code, translate(name)) for country, code, name in subdivisions]
        layers.append([*translated, *((country, code, part) for country, code, n in translated for part in _parts(n))])
    for layer in layers:
        _add(codes, layer)
    return codes


def _add(codes: dict[str, dict[str, str]], layer: list[tuple[str, str, str]]) -> None:
    fresh: dict[tuple[str, str], str | None] = {}
    for country, code, name in layer:
        place = (country, fold(name))
        fresh[place] = code if fresh.get(place, code) == code else None
    for (country, key), shared_code in fresh.items():
        if shared_code is not None and key:
            codes.setdefault(country, {}).setdefault(key, shared_code)


@cache
def _codes() -> dict[str, str]:
    import pycountry

    return {fold(subdivision.code): subdivision.code for subdivision in pycountry.subdivisions}


@cache
def _only_one() -> dict[str, str]:
    """Names of at least five letters that the states of a single country have."""
    owners: dict[str, set[str]] = {}
    for names in _states().values():
        for key, code in names.items():
            owners.setdefault(key, set()).add(code)
    return {key: min(codes) for key, codes in owners.items() if len(codes) == 1 and len(key) > 4}  # "Cal." is none


def _bare(code: str) -> str:
    return code.partition("-")[2]


def _is_telling(code: str) -> bool:
    """A code of two letters or more; numbers and single letters stand in address fields for many things."""
    bare = _bare(code)
    return len(bare) > 1 and bare.isalpha()


def _parts(name: str) -> list[str]:
    late = _OF_LATE.match(name)
    if late:
        return [late[1], f"{late[2]} {late[1]}"]
    brackets = _IN_BRACKETS.match(name)
    return [brackets[1], brackets[2]] if brackets else []
