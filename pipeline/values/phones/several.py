"""The numbers of a text that is none as a whole: between signs, between words, one behind the other.

What parts numbers for certain (words, `:::`, `•`) is cut first. A dash, a slash or a space also stands inside numbers:
there a cut counts only if every piece of it is a number, so that no digit is lost and none goes from one to another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from pipeline.values.normalized import Normalized
from pipeline.values.phones.cells import FEWEST_DIGITS, cut_apart, digits_in, made_ready

PhonePart = tuple[str, bool]  # a text, and whether an extension was taken off it
Read = Callable[[PhonePart], Normalized]

FEWEST_OF_TWO = 14  # digits: fewer are one number, whatever else they could be
_MOST_GROUPS = 60  # groups of digits in a row that are looked at
_GROUPS_OF_ONE = 7  # +49 170 12 34 56 7

_INNER_EXTENSION = re.compile(
    r"\s*(?<![^\W\d_])(?:ext(?:n|ension|ensi[oó]n)?|durchwahl|dw|ramal|poste|anexo|x)\.?\s?[:.=]?\s?\d{1,5}(?=[\s,;|)])",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"[^\w\s().\-/+]+|(?:(?<=\s)|^)\d{1,2}[).](?=\s)|\.{2,}|-{2,}|/{2,}|(?<=\d)\s*\)?\s*(?=\+\d)")
_WORDS = re.compile(r"[^\W\d_]+[.)]?|_+")
_SPACED_SIGNS = re.compile(r"\s+[-/.]\s+")
_BEGINNINGS = re.compile(r"(?<=[\d)])\s+(?=\+|\(|0[0-9])")
_SLASHES = re.compile(r"\s*/\s*")
_MARK = re.compile(r"[+(]|0")  # what a number begins with, where it is written whole


class Numbers(NamedTuple):
    """Those found, in order; whether digits enough for another one are part of none of them."""

    found: list[Normalized]
    has_unread: bool = False


def numbers_in(part: PhonePart, whole: Normalized, read: Read) -> Numbers:
    """The numbers of a part of a cell, which `whole` says is none, or is one that could also be two."""
    text = part[0]
    if whole.value is not None:
        both = _in_a_row(text, read) if digits_in(text) >= FEWEST_OF_TWO else []
        return Numbers(both if len(both) > 1 else [whole])
    return _of_pieces(_INNER_EXTENSION.sub(";", text), read, (_SIGNS, _WORDS))


def _of_pieces(text: str, read: Read, separators: tuple[re.Pattern[str], ...]) -> Numbers:
    """Cut at the first of the separators; what no piece says is cut at the next one."""
    for place, separator in enumerate(separators):
        pieces = [piece for piece in separator.split(text) if piece.strip(" ().-/")]
        if not pieces or (len(pieces) == 1 and pieces[0] == text):
            continue
        numbers = [_of_piece(piece, read, separators[place + 1 :]) for piece in pieces]
        found = [number for part in numbers for number in part.found]
        return Numbers(found, any(part.has_unread for part in numbers))
    found = _in_a_row(text, read)
    if found:
        return Numbers(found)
    some = [number for piece in cut_apart(text) if (number := read(piece)).value is not None]
    return Numbers(some, has_unread=digits_in(text) >= FEWEST_DIGITS)


def _of_piece(piece: str, read: Read, separators: tuple[re.Pattern[str], ...]) -> Numbers:
    if digits_in(piece) < FEWEST_DIGITS:
        return Numbers([])
    ready = made_ready(piece)
    whole = read(ready)
    return numbers_in(ready, whole, read) if whole.value is not None else _of_pieces(piece, read, separators)


def _in_a_row(text: str, read: Read) -> list[Normalized]:
    """Numbers with nothing but spaces, dashes and slashes between them; empty unless every digit is part of one."""
    for separator in (_SPACED_SIGNS, _BEGINNINGS, _SLASHES):
        pieces = separator.split(text)
        if 1 < len(pieces) <= _MOST_GROUPS and all(digits_in(piece) > FEWEST_DIGITS for piece in pieces):
            numbers = [read(made_ready(piece)) for piece in pieces]
            if all(number.value is not None for number in numbers):
                return numbers
    if digits_in(text) < FEWEST_OF_TWO:
        return []
    groups = [group for group in text.split() if digits_in(group)]
    return _by_beginnings(groups, read) or _by_shape(groups, read) if 1 < len(groups) <= _MOST_GROUPS else []


def _by_beginnings(groups: list[str], read: Read) -> list[Normalized]:
    """The only way to make numbers of all groups, each of which begins with a plus, a bracket or a nought."""
    if not all(_MARK.match(group) for group in groups[:1]):
        return []
    ways = [0] * len(groups) + [1]  # from a group on to the end; two stand for more
    number_at: list[tuple[Normalized, int] | None] = [None] * len(groups)
    for begin in reversed(range(len(groups))):
        if not _MARK.match(groups[begin]):
            continue
        for end in range(begin + 1, min(begin + _GROUPS_OF_ONE, len(groups)) + 1):
            if not ways[end]:
                continue
            number = read((" ".join(groups[begin:end]), False))
            if number.value is not None:
                ways[begin] += ways[end]
                number_at[begin] = number, end
    numbers: list[Normalized] = []
    place = 0
    while ways[0] == 1 and place < len(groups) and (step := number_at[place]) is not None:
        numbers.append(step[0])
        place = step[1]
    return numbers


def _by_shape(groups: list[str], read: Read) -> list[Normalized]:
    """`312 555 0142 312 555 0143`: the same lengths again and again, each a number."""
    lengths = [digits_in(group) for group in groups]
    for size in range(1, min(len(groups) // 2, _GROUPS_OF_ONE) + 1):
        if len(groups) % size or lengths != lengths[:size] * (len(groups) // size):
            continue
        numbers = [read((" ".join(groups[at : at + size]), False)) for at in range(0, len(groups), size)]
        if all(number.value is not None for number in numbers):
            return numbers
    return []
