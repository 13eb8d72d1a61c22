"""Samples that say nothing about anybody: the shape of a real payload, with invented people in it.

Samples are committed. What tells one question, kind or state from another is kept, because the mapping reads it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from connectors.kit.paths import escaped_key, path_below
from connectors.kit.sources.parts import take_apart
from pipeline.authoring.answer_lists import AnswerList, by_name
from pipeline.authoring.guesses import EMAIL, as_moment
from pipeline.authoring.sample_shapes import Shape
from pipeline.values.column_titles import title_key
from pipeline.values.folding import fold
from pipeline.values.places.countries import country_code
from pipeline.values.vocabularies import aliases, vocabulary

MOST_RECORDS = 2  # enough to show what differs between records
_KEPT = frozenset(
    ("checkboxkey", "fieldkey", "questionkey", "type", "kind", "object", "event", "eventtype", "status", "state", "ref",
     "slug", "question", "label", "key", "columnid", "format", "field", "topic", "action")
)  # fmt: skip
_WORD = re.compile(r"^[A-Za-z][\w .:/?!,'()-]{0,80}$")
_DIGITS = re.compile(r"\d{3}")
_URL = re.compile(r"^https?://", re.IGNORECASE)
_MOMENT = "2026-01-15T10:00:00Z"
# Dates and times as people and exports write them: 3.2.26, Mi., 03/02/2026 14:05, 3. Feb 2026, 20260203.
_DAY = (
    r"(?:(?:\d{1,2}[./-] ?){2}(?:\d{4}|\d{2})|\d{4}[./-]\d{1,2}[./-]\d{1,2}|(?:19|20)\d{6}"
    r"|(?P<first>[^\W\d_]{3,10})\.? \d{1,2},? \d{4}"
    r"|\d{1,2}\.?(?: de)? (?P<month>[^\W\d_]{3,10})\.?,?(?: de)? \d{4})"
)
_ZONE = r"(?: ?(?:Z|[A-Z]{3,4}|Uhr|[+-]\d{2}:?\d{2}))?"
_TIME = r"(?:[T, ]{1,2}(?:um |at |à )?\d{1,2}(?:[:.h]\d{2}){0,2}(?: ?[AaPp]\.?[Mm]\.?)?" + _ZONE + ")?"
_DATE = re.compile(rf"^(?:[^\W\d_]{{2,9}}\.?,? )?{_DAY}{_TIME}$")
_BIRTHS = re.compile("birth|dob|geburt|nacim|nascim|naiss", re.IGNORECASE)
# Amounts, ranges and counts: 1.234,50 €, 11-50, 5k. A number with more digits may be somebody's.
_NUMBER = r"\d[\d.,' \u00a0\u202f]*"
_AMOUNT = re.compile(rf"^[<>~+]?\W{{0,2}}{_NUMBER}(?:\s?[-\u2013]\s?{_NUMBER})?\s?(?:\+|%|[kKmM]|€|\$|£|[A-Z]{{3}})?$")
_MOST_DIGITS = 7
# Words of a few that all use: who says one of them says nothing of himself alone.
_COMMON_WORDS = ("booleans", "consent_channels", "reported_sources", "platforms")
_WORDS_OF_FIELDS = {
    "language": "languages", "industry": "industries",
    "reported_source": "reported_sources",
}  # fmt: skip
_TELLING_NOBODY = (*_WORDS_OF_FIELDS, "country", "employee_count")

_PEOPLE: tuple[dict[str, str], ...] = (
    {
        "email": "ada.sample@example.com",
        "other_emails": "ada@example.org",
        "phone": "+1 202-555-0143",
        "other_phones": "+1 202-555-0178",
        "whatsapp_id": "12025550143",
        "first_name": "Ada",
        "last_name": "Sample",
        "full_name": "Ada Sample",
        "linkedin_url": "https://www.linkedin.com/in/ada-sample",
        "external_id": "sample-1",
        "submission_id": "sample-1",
    },
    {
        "email": "ben.example@example.org",
        "other_emails": "ben@example.net",
        "phone": "+1 202-555-0156",
        "other_phones": "+1 202-555-0167",
        "whatsapp_id": "12025550156",
        "first_name": "Ben",
        "last_name": "Example",
        "full_name": "Ben Example",
        "linkedin_url": "https://www.linkedin.com/in/ben-example",
        "external_id": "sample-2",
        "submission_id": "sample-2",
    },
)
_COMMON: dict[str, str] = {
    "company": "Example Works",
    "job_title": "Engineer",
    "street": "1 Example Street",
    "city": "Springfield",
    "state": "Illinois",
    "postal_code": "62701",
    "country": "US",
    "language": "en",
    "message": "Please call me back.",
    "utm_source": "newsletter",
    "utm_medium": "email",
    "utm_campaign": "spring",
    "website": "https://www.example.com/",
    "page_url": "https://www.example.com/contact",
    "referrer": "https://www.example.org/",
    "industry": "Software",
    "employee_count": "25",
    "product_interest": "Pricing",
    "reported_source": "Google",
}


_INVENTED = tuple({**_COMMON, **person} for person in _PEOPLE)


def invented(field: str | None, path: str, value: Any, number: int = 0, *, is_answer: bool = False) -> Any:
    """A value of the same JSON type that says nothing about anybody; `number` of the invented person, from 0.

    Flags and times stay: they identify no one. So do names of kinds and states, but not what somebody answered.
    """
    if value is None or isinstance(value, bool) or field in ("occurred_at", "platform", "is_organic"):
        return value
    if isinstance(value, list):
        return [invented(field, path, entry, number, is_answer=is_answer) for entry in value]
    if isinstance(value, dict):
        return {
            key: invented(field, path_below(path, str(key)), entry, number, is_answer=is_answer)
            for key, entry in value.items()
        }
    kept = _kept_text(field, path, value, is_answer=is_answer) if isinstance(value, str) else None
    return _another(field, path, value, number) if kept is None else kept


def _another(field: str | None, path: str, value: Any, number: int) -> Any:
    made = _INVENTED[number % len(_INVENTED)].get(field or "")
    if made is not None and value != "":
        return made if isinstance(value, str) else _number_like(made, value)
    return _invented_text(path, value, number) if isinstance(value, str) else type(value)(number + 1)


def _kept_text(field: str | None, path: str, value: str, *, is_answer: bool) -> str | None:
    """A text that may stay, or its shape."""
    if not is_answer and _is_kept(path, value):
        return value
    return _shaped(field, path, value) if field is None or field in _TELLING_NOBODY else None


def invented_cell(field: str | None, column: str) -> str:
    """A cell for the sample of a table. Made from the column's title and field alone: nothing of anybody is in it."""
    if field == "occurred_at":
        return _MOMENT
    return _INVENTED[0].get(field or "", f"sample {_words(column)}")


def sample_text(shape: Shape, field_of_path: Mapping[str, str]) -> str:
    """The sample's file: the document with its first records, all invented. `field_of_path` as the mapping has it."""
    if shape.separator:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", delimiter=shape.separator)
        columns = list(shape.records[0])
        writer.writerow(columns)
        for number, record in enumerate(shape.records[:MOST_RECORDS]):
            cells = [(field_of_path.get(escaped_key(column)), column, record.get(column)) for column in columns]
            writer.writerow([invented(*cell, number) for cell in cells])
        return text.getvalue()
    return json.dumps(_Document(shape, field_of_path).invent(), ensure_ascii=False, indent=2) + "\n"


class _Document:
    """A body whose records are kept up to a few, and whose every value is another one."""

    def __init__(self, shape: Shape, field_of_path: Mapping[str, str]) -> None:
        self._shape, self._fields = shape, field_of_path
        places = [part.place for part in take_apart(shape.document, shape.records_at or None)]
        self._numbers = {place: number for number, place in enumerate(places)}

    def invent(self) -> Any:
        return self._walk(self._shape.document, "")

    def _walk(self, value: Any, place: str) -> Any:
        number = self._numbers.get(place)
        if number is not None:
            return self._record(value, number)
        if isinstance(value, dict):
            return {key: self._walk(entry, path_below(place, str(key))) for key, entry in value.items()}
        if isinstance(value, list):
            return [
                self._walk(entry, f"{place}[{index}]")
                for index, entry in enumerate(value)
                if self._numbers.get(f"{place}[{index}]", 0) < MOST_RECORDS
            ]
        return invented(None, place, value)

    def _record(self, record: Any, number: int) -> Any:
        if not isinstance(record, dict):
            return invented(None, "", record)
        answers = {answer_list.at: answer_list for answer_list in self._shape.lists}

        def invent(value: Any, path: str) -> Any:
            if isinstance(value, dict):
                return {key: invent(entry, path_below(path, str(key))) for key, entry in value.items()}
            if isinstance(value, list) and path in answers:
                return [self._answer(entry, answers[path], number) for entry in value]
            if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
                return [invent(entry, f"{path}[{index}]") for index, entry in enumerate(value)]
            return invented(self._fields.get(path), path, value, number)

        return invent(record, "")

    def _answer(self, entry: Any, answers: AnswerList, number: int) -> Any:
        """One question with its answer: the question stays, the answer is invented by what the mapping makes of it."""
        if not isinstance(entry, dict):
            return invented(None, answers.at, entry, number)
        named = by_name({"list": [entry]}, [AnswerList("list", answers.name, answers.values, answers.ignored)])["list"]
        name = next(iter(named), "") if isinstance(named, dict) else ""
        field = self._fields.get(path_below(answers.at, name))

        def invent(value: Any, path: str) -> Any:
            if isinstance(value, dict):
                return {key: invent(part, path_below(path, str(key))) for key, part in value.items()}
            if path == answers.name:
                return value
            is_answer = any(path == known or path.startswith(f"{known}.") for known in answers.values)
            return invented(field if is_answer else None, path, value, number, is_answer=is_answer)

        return invent(entry, "")


def _is_kept(path: str, value: str) -> bool:
    """A name of a kind, a state or a question, as long as it looks like words."""
    return (
        title_key(path.rpartition(".")[2]) in _KEPT
        and bool(_WORD.match(value))
        and "@" not in value
        and not _DIGITS.search(value)
    )


def _shaped(field: str | None, path: str, value: str) -> str | None:
    """A text whose way of writing a mapping must cope with, and which tells of nobody: dates, yes and no, channels,
    amounts. None: it is none of these."""
    text = value.strip()
    if field == "country":
        return value if country_code(text) else None
    if not text or any(title_key(text) in _common_words(name) for name in _words_for(field)):
        return value
    if (found := _DATE.match(text)) is not None and _is_month(found["month"] or found["first"]):
        return _with_other_digits(value, is_date=True) if _BIRTHS.search(path) else value
    if (
        not text.isdigit()
        and _AMOUNT.match(text)
        and sum(map(str.isdigit, text)) <= _MOST_DIGITS
        and not path.lower().endswith("id")
    ):
        return _with_other_digits(value)
    return None


def _words_for(field: str | None) -> tuple[str, ...]:
    return _COMMON_WORDS if field is None else ((_WORDS_OF_FIELDS[field],) if field in _WORDS_OF_FIELDS else ())


@cache
def _common_words(name: str) -> frozenset[str]:
    words: list[Any] = []
    for word, entry in vocabulary(name).items():
        spellings = entry.get("also") or () if isinstance(entry, dict) else entry or ()
        words += [word, *spellings]
    return frozenset(title_key(str(word)) for word in words if len(str(word)) > 1 or name == "booleans") - {""}


def _is_month(word: str | None) -> bool:
    return word is None or fold(word) in aliases("months")


def _with_other_digits(text: str, *, is_date: bool = False) -> str:
    """As many digits in the same places: of a date the first day of 1990, of a number a rising row that begins as it
    did, so that of a range the greater one stays the greater."""
    if is_date:
        return re.sub(r"\d+", lambda found: "19900101"[: len(found[0])] if len(found[0]) >= 4 else
                      "1".zfill(len(found[0])), text)  # fmt: skip
    return re.sub(r"\d+", lambda found: found[0][0] + "0" * (len(found[0]) - 1), text)


def _invented_text(path: str, value: str, number: int) -> str:
    if not value or as_moment(value):
        return value
    if _URL.match(value):
        return "https://www.example.com/"
    if EMAIL.match(value):
        return _INVENTED[number % len(_INVENTED)]["email"]
    text = f"sample {_words(path)}"
    return f"{text} {number + 1}" if number else text


def _number_like(made: str, value: float) -> int | float:
    digits = re.sub(r"\D", "", made)
    return type(value)(int(digits[:12] or 1))


def _words(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"\[[^\]]*\]$", "", path).rpartition(".")[2].lower()).strip() or "value"
