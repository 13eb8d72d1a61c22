"""Industries: one list (`mappings/vocabularies/industries.yaml`), known by their names in five languages."""

from __future__ import annotations

from pipeline.stages.text import fold, raw_excerpt
from pipeline.stages.values import NOTHING, Normalized
from pipeline.stages.vocabularies import aliases


def normalize_industry(text: str) -> Normalized:
    """The industry's name in our list; an unknown one is flagged and kept raw."""
    if not text:
        return NOTHING
    known = aliases("industries").get(fold(text[:255]))
    if known is None:
        return Normalized(None, ("unknown_industry",), raw_excerpt(text))
    return Normalized(known) if known == text else Normalized(known, (), raw_excerpt(text))
