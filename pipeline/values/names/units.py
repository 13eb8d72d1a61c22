"""The words of a name as units: a particle with the word it belongs to, two family names joined by `y`."""

from __future__ import annotations

from pipeline.values.folding import fold
from pipeline.values.names.words import ARTICLE, DEVOTIONAL, GIVEN, INITIAL, JOINING, LED, PARTICLE, word_kind

_NAMES_TOO = frozenset(("Van", "Del", "Di", "Al", "Ben", "Do", "Te", "Den", "Lo"))  # Van Morrison, but von Trapp
_BEFORE_DEVOTION = frozenset(("maria", "jose", "ma"))  # María del Carmen, José de Jesús


def units(words: list[str]) -> list[tuple[str, int]] | None:
    """(text, bits) of each unit; None where a particle stands in front of a whole name or has nothing to lead."""
    if len(words) == 2 and (not word_kind(words[0]) & PARTICLE or words[0] in _NAMES_TOO):
        return [(word, word_kind(word) & ~(JOINING | PARTICLE | ARTICLE)) for word in words]
    shouted = all(word.isupper() for word in words)
    is_mixed = words[0][0].isupper() and not words[-1].islower()  # small letters in between then are a particle's
    joined: list[tuple[str, int]] = []
    place, count = 0, len(words)
    while place < count:
        word = words[place]
        kind = word_kind(word)
        if kind & JOINING and not (kind & INITIAL and word.isupper() and not (shouted and word == "Y")):
            if not joined or place + 1 == count:
                return None
            text, place = _led(words, place + 1)
            if not text:
                return None
            joined[-1] = (f"{joined[-1][0]} {word} {text}", LED)
        elif (kind & PARTICLE and not (kind & INITIAL and word.isupper())) or (place and is_mixed and word.islower()):
            if not place:
                return None
            text, place = _led(words, place)
            if not text:
                return None
            is_given = fold(joined[-1][0]) in _BEFORE_DEVOTION and word_kind(text.split()[-1]) & DEVOTIONAL
            joined.append((text, GIVEN if is_given else LED))
        else:
            joined.append((word, kind))
            place += 1
    return joined


def _led(words: list[str], place: int) -> tuple[str, int]:
    """The particles from `place` on with the word they lead, and the place behind it; empty if there is no word."""
    end = place
    while end < len(words) and (word_kind(words[end]) & PARTICLE or (end > place and word_kind(words[end]) & ARTICLE)):
        end += 1
    end = max(end, place + 1) if place < len(words) and words[place].islower() else end
    if end == len(words):
        return "", end
    return " ".join(words[place : end + 1]), end + 1
