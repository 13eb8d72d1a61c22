"""The shape of a value in place of the value: enough to see why a mapping reads it as it does, too little to know whose
it is.

Letters become the `x` of their script, digits nines; length, capitals and punctuation stay. So does the domain of an
address at which anybody has mail (gmail.com): that of a company may be one person's. A value that is its own shape
(`xxx`, `9999`) is what it is for all who have one like it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pipeline.values.emails.domains import FREE_MAIL, domain_flags

_DOMAIN = re.compile(r"@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_SMALL_AND_LARGE = {"LATIN": "xX", "GREEK": "χΧ", "CYRILLIC": "хХ", "ARMENIAN": "խԽ"}
_OF_SCRIPT = {
    "ARABIC": "س",
    "BENGALI": "ক",
    "CJK": "字",
    "DEVANAGARI": "क",
    "HANGUL": "가",
    "HEBREW": "א",
    "HIRAGANA": "あ",
    "KATAKANA": "ア",
    "TAMIL": "க",
    "THAI": "ก",
}
_MARK, _OTHER = "\u0301", "\u25a1"  # accents that stand alone; pictures, and what has no shape
_DIGITS_OF_A_NUMBER = 5  # a field's name that has as many is a number or an id, no name
_LONGEST_NAME = 120
_MOST_DIGITS = 100


def mask_text(text: str) -> str:
    """A text by its shape, character for character."""
    masked = "".join(map(_mask_character, text))
    for found in _DOMAIN.finditer(text):
        if domain_flags(found[1].lower()) == (FREE_MAIL,):  # a slip of such a name may be a company's own
            masked = masked[: found.start(1)] + found[1] + masked[found.end(1) :]
    return masked


def mask_value(value: Any) -> Any:
    """Any value by its shape: the names in a mapping stay, what stands under them is masked. Nothing, yes and no, ids
    of ours and moments stay as they are."""
    if value is None or isinstance(value, bool | UUID | datetime):
        return value
    if isinstance(value, int | float):
        return _nines(value)
    if isinstance(value, Mapping):
        return {mask_name(str(name)): mask_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value(inner) for inner in value]
    return mask_text(str(value))


def mask_name(name: str) -> str:
    """A field's name as it is. What cannot be one, as it holds an address, a number or a whole text, is masked."""
    is_number = sum(character.isdigit() for character in name) >= _DIGITS_OF_A_NUMBER
    return mask_text(name) if "@" in name or is_number or len(name) > _LONGEST_NAME else name


def mask_body(text: str) -> str:
    """What a source sent: of JSON and of a form the names of fields stay, of everything else the shape alone."""
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.dumps(mask_value(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return mask_text(text)
    pairs = [pair.partition("=") for pair in text.split("&")]
    if all(between and re.fullmatch(r"[\w.%\[\]-]+", name) for name, between, _ in pairs):
        return "&".join(f"{mask_name(name)}={mask_text(value)}" for name, _, value in pairs)
    return mask_text(text)


def _nines(number: float) -> float | None:
    """A number of as many digits. One that has no end, or more digits than any value of a person, has no shape."""
    if isinstance(number, int):
        digits = len(str(abs(number))) if abs(number) < 10**_MOST_DIGITS else _MOST_DIGITS
        return (-1 if number < 0 else 1) * int("9" * digits) if number else 0
    return float(re.sub(r"[1-9]", "9", f"{number:.6f}")) if abs(number) < 10**15 else None


@lru_cache(maxsize=8_192)
def _mask_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return chr(ord(character) - unicodedata.decimal(character) + 9)
    if category[0] == "N":
        return "9"
    if category[0] == "L":
        return _mask_letter(character, is_large=category in ("Lu", "Lt"))
    if category[0] == "M":
        return _MARK
    return character if category[0] in "PZ" or character.isascii() else _OTHER


def _mask_letter(character: str, *, is_large: bool) -> str:
    script = unicodedata.name(character, "").partition(" ")[0]
    if script in _OF_SCRIPT:
        return _OF_SCRIPT[script]
    return _SMALL_AND_LARGE.get(script, "xX")[is_large]
