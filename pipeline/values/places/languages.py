"""Languages as BCP 47 tags: `es`, `pt-BR`. Codes and English names by ISO 639 (pycountry), others by
`mappings/vocabularies/languages.yaml`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from pipeline.values.folding import fold
from pipeline.values.normalized import Normalized
from pipeline.values.text.text import normalize_cell, raw_excerpt
from pipeline.values.vocabularies import aliases

_TAG = re.compile(
    r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|\d{3}))?(?:[.@;].*|[-_][a-z0-9_.@-]+)?\Z", re.IGNORECASE
)


def normalize_language(text: str) -> Normalized:
    """The tag, with script and region where they were given: `es`, `pt-BR`, `zh-Hant-TW`; the first of a list.

    Understands codes, locales (`de_DE.UTF-8`), what browsers send (`es-MX,es;q=0.9`) and names. An unknown one is
    left empty and flagged `unknown_language`.
    """
    cell = normalize_cell(text)
    if not isinstance(cell.value, str):
        return cell
    tag = _tag_of(cell.value)
    if tag is None:
        return Normalized(None, (*cell.flags, "unknown_language"), raw_excerpt(text))
    return Normalized(tag, cell.flags, None if tag == text else raw_excerpt(text))


@lru_cache(maxsize=2048)
def _tag_of(text: str) -> str | None:
    first = re.split(r"[,;/|]", text, maxsplit=1)[0].strip()
    for name in (text, first, first.partition("(")[0]):
        named = _names().get(fold(name))
        if named is not None:
            return named
    parts = _TAG.match(first)
    if parts is None:
        return None
    code, script, region = parts.groups()
    language = _code(code.lower())
    if language is None:
        return None
    return "-".join(part for part in (language, script and script.title(), region and _region(region.upper())) if part)


def _code(code: str) -> str | None:
    """The shortest ISO 639 code: `es` for `spa` and `esp`'s like."""
    import pycountry

    if len(code) == 2:
        return code if pycountry.languages.get(alpha_2=code) else None
    language = pycountry.languages.get(alpha_3=code) or pycountry.languages.get(bibliographic=code)
    return getattr(language, "alpha_2", None)


def _region(region: str) -> str | None:
    import pycountry

    if region.isdigit() or pycountry.countries.get(alpha_2=region):
        return region
    return "GB" if region == "UK" else None


@cache
def _names() -> dict[str, str]:
    """Folded names; those of ISO 639 that have a code of two letters."""
    import pycountry

    names = dict(aliases("languages"))
    for language in pycountry.languages:
        code = getattr(language, "alpha_2", None)
        if code:
            names.setdefault(fold(language.name.partition(" (")[0]), code)
    return {name: code for name, code in names.items() if "-" not in name and len(name) > 1}
