"""Yes and no in five languages. What is not listed is no answer: above all, it is never a yes."""

from __future__ import annotations

import re
from functools import cache

from pipeline.values.folding import fold
from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.text import clean_line, is_blank, raw_excerpt
from pipeline.values.vocabularies import aliases, vocabulary

_LONGEST = 40  # characters; a longer text is a sentence
# Words, and signs that change no answer. `-1`, `!yes`, `yes?`, `y/n` say something else, though they fold to it.
_WORDS = re.compile(r"[\"'“”]?[^\W_]++(?:(?:, | |-|_|'|’)[^\W_]++)*+[\"'“”]?[.!]?")


def normalize_boolean(text: str) -> Normalized:
    """True or False from a word in `mappings/vocabularies/booleans.yaml` or a sign in `checkmarks.yaml`.

    Anything else is None, flagged `not_a_boolean` or `blank`.
    """
    clean = clean_line(text[: 2 * _LONGEST])
    if not clean:
        return NOTHING if not text else Normalized(None, ("blank",), raw_excerpt(text))
    if len(clean) <= _LONGEST and len(text) <= 2 * _LONGEST:
        word = aliases("booleans").get(fold(clean)) if _WORDS.fullmatch(clean) else None
        word = word or _signs().get(clean.lower())
        if word is not None:
            return Normalized(word == "yes")
    return Normalized(None, ("blank" if is_blank(clean) else "not_a_boolean",), raw_excerpt(text))


@cache
def _signs() -> dict[str, str]:
    return {sign: answer for answer, signs in vocabulary("checkmarks").items() for sign in signs}
