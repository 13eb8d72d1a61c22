"""Industries: one list (`mappings/vocabularies/industries.yaml`), known by their names in five languages."""

from __future__ import annotations

from functools import cache, lru_cache

from pipeline.values.folding import fold
from pipeline.values.normalized import Normalized
from pipeline.values.text.text import normalize_cell, raw_excerpt
from pipeline.values.vocabularies import aliases

_SAYING_NOTHING = frozenset(
    (
        "and",
        "y",
        "e",
        "und",
        "et",
        "the",
        "industry",
        "industries",
        "sector",
        "setor",
        "secteur",
        "branche",
        "del",
        "de",
    )
)


def normalize_industry(text: str) -> Normalized:
    """The industry's name in our list; an unknown one is flagged and kept raw."""
    cell = normalize_cell(text)
    if not isinstance(cell.value, str):
        return cell
    known = _known(cell.value)
    if known is None:
        return Normalized(None, (*cell.flags, "unknown_industry"), raw_excerpt(text))
    return Normalized(known, cell.flags, None if known == text else raw_excerpt(text))


@lru_cache(maxsize=4096)
def _known(text: str) -> str | None:
    return aliases("industries").get(fold(text)) or _by_core().get(_core(text))


def _core(text: str) -> str:
    """Words without "and" and "sector", and without a code in front: "31-33 Manufacturing"."""
    words = fold(text).split()
    while len(words) > 1 and words[0].isdecimal():
        words = words[1:]
    return " ".join(word for word in words if word not in _SAYING_NOTHING) or " ".join(words)


@cache
def _by_core() -> dict[str, str]:
    """Spellings by what is left of them; one that two industries would share is none's."""
    industries: dict[str, str | None] = {}
    for spelling, industry in aliases("industries").items():
        core = _core(spelling)
        industries[core] = industry if industries.get(core, industry) == industry else None
    return {core: industry for core, industry in industries.items() if industry is not None}
