"""Folding: one form for comparing of what differs in case, accents and width alone."""

from __future__ import annotations

import unicodedata

_FOLDED_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


def fold(text: str) -> str:
    """For comparing only: no case, no accents, letters and digits with single spaces between them."""
    if text.isascii():
        return " ".join(text.translate(_FOLDED_ASCII).split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join("".join(character if character.isalnum() else " " for character in folded).split())
