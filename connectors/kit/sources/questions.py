"""Answers of form builders by names that a mapping can read.

Builders tell questions apart by ids that say nothing (`question_a1`, `f2`) and by titles as visitors read them. Here a
title becomes a name of small letters, digits and `_`, so that `answers.what_is_your_shoe_size` is a path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

from connectors.kit.paths import get_path

_LONGEST = 80  # characters of a name
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[\W_]+")
_E_MAIL = re.compile(r"\be[- ]mail", re.IGNORECASE)
_APOSTROPHE = re.compile(r"['’](?=s\b)")


class Question(NamedTuple):
    """`name`: what it is called, a title or a word of somebody's choice, as the sender gives it. `kind`: "email" or
    "phone" where the builder knows that it asks for one, else anything."""

    name: Any
    answer: Any
    kind: str = ""


def entries_at(record: Any, path: str) -> list[dict[str, Any]]:
    """The objects in the list at `path`; empty where there is none, whatever the record holds."""
    found = get_path(record, path)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def question_name(title: Any) -> str:
    """`What's your shoe size?` -> `whats_your_shoe_size`, `utmSource` -> `utm_source`, `Your E-mail` -> `your_email`.

    "" for what has no letter or digit. Accents of Latin letters are dropped, other scripts stay.
    """
    if not isinstance(title, str):
        return ""
    text = title[: _LONGEST * 4]
    if not text.isascii():
        text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
        text = unicodedata.normalize("NFC", text)
    text = _HUMP.sub("_", _E_MAIL.sub("email", _APOSTROPHE.sub("", text)))
    return _NO_WORD.sub("_", text.lower()).strip("_")[:_LONGEST].strip("_")


def answers_by_name(questions: Iterable[Question]) -> dict[str, Any]:
    """Answers by the names of their questions, in order.

    The first question of kind email or phone is `email` or `phone` whatever its title, unless another one is called
    so. A second question of a name gets `_2` behind it; one whose title gives no name is `question_` and its place.
    """
    asked = [
        (question_name(question.name) or f"question_{place}", question)
        for place, question in enumerate(questions, start=1)
    ]
    taken = {name for name, _ in asked}
    answers: dict[str, Any] = {}
    last: dict[str, int] = {}  # the number that a name was given last
    for own_name, question in asked:
        name = own_name
        if question.kind in ("email", "phone") and question.kind not in taken:
            name = question.kind
            taken.add(name)
        numbered = name
        while numbered in answers:
            last[name] = last.get(name, 1) + 1
            numbered = f"{name}_{last[name]}"
        answers[numbered] = question.answer
    return answers
