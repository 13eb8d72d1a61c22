"""Countries: every spelling we know -> ISO 3166-1 alpha-2.

Names come from pycountry in English, Spanish, Portuguese, French and German (its own translations), aliases from
`mappings/vocabularies/countries.yaml`. One dictionary, built at the first question: pycountry's own fuzzy search
takes 9 ms a name.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache, lru_cache

from pipeline.stages.text import clean_line, fold, raw_excerpt
from pipeline.stages.values import NOTHING, Normalized
from pipeline.stages.vocabularies import vocabulary

LANGUAGES = ("es", "pt", "fr", "de")  # beside English; the first one wins where a spelling means two countries


def country_code(text: str) -> str | None:
    """Alpha-2 code of a country written as code or name in one of our languages, or None."""
    return _code(text)


def normalize_country(text: str) -> Normalized:
    """The alpha-2 code; an unknown country is flagged and kept raw."""
    if not text:
        return NOTHING
    code = _code(text)
    if code is None:
        return Normalized(None, ("unknown_country",), raw_excerpt(text))
    return Normalized(code) if code == text else Normalized(code, (), raw_excerpt(text))


@lru_cache(maxsize=4096)
def _code(text: str) -> str | None:
    if len(text) > 200:
        return None
    spellings = _spellings()
    key = fold(clean_line(text))
    found = spellings.get(key) or spellings.get(key.removeprefix("the "))
    squeezed = key.replace(" ", "")
    return found or (spellings.get(squeezed) if len(squeezed) > 2 else None)  # U. S. A., but n/a is not Namibia


@cache
def _spellings() -> dict[str, str]:
    import pycountry

    found: dict[str, str] = {}
    for code, names in vocabulary("countries").items():
        for name in names:
            found[fold(str(name))] = code
    countries = list(pycountry.countries)
    for country in countries:
        # "001" and such: spreadsheets lose leading zeros, but "4" alone is too little to go by
        for name in (country.alpha_2, country.alpha_3, country.numeric):
            found.setdefault(fold(name), country.alpha_2)
    for language in (None, *LANGUAGES):
        translate = _translation(language)
        for country in countries:
            for attribute in ("name", "common_name", "official_name"):
                name = getattr(country, attribute, None)
                if name:
                    found.setdefault(fold(translate(name)), country.alpha_2)
    return found


def _translation(language: str | None) -> Callable[[str], str]:
    if language is None:
        return str
    import pycountry

    return gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language]).gettext
