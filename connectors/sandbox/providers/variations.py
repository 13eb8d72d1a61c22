"""One variation of a sample: texts in it that are taken for others, wherever they stand, and times that are moved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.kit.sources.cursor_values import is_time, shifted
from connectors.kit.times import parse_time

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_FIRST = (
    *("Amara", "Bruno", "Chiara", "Dario", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lucia", "Malik"),
    *("Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Teresa", "Ursula", "Viktor", "Wanda", "Xavier", "Yara"),
    *("Zoran", "Aiko", "Bilal", "Carmen", "Dmitri", "Esther", "Felix"),
)
_LAST = (
    *("Almeida", "Bergmann", "Castell", "Dubois", "Eriksen", "Ferrante", "Grabow", "Hadjiev", "Iglesias", "Jansson"),
    *("Kovacs", "Lindqvist", "Moreau", "Nakamura", "Okonkwo", "Petrov", "Quist", "Romero", "Saleh", "Tanaka", "Urban"),
    *("Vasquez", "Weber", "Xenakis", "Yilmaz", "Zeman", "Abbott", "Brandao", "Cermak", "Dahlberg", "Eklund"),
)
_TOKEN = re.compile(r"[A-Za-z0-9]+")
_PHONE = re.compile(r"\+?[\d\s().-]{7,24}")
_WHOLE_PHONE = re.compile(r"\+[1-9][\d ().-]{6,22}\d")
_AREAS = (201, 202, 212, 213, 305, 312, 404, 415, 503, 512, 602, 617, 702, 713, 801, 808, 907)  # 555-01xx is nobody's
_PHONE_TAIL = 7  # digits by which a number is known, however it is written
_CLOCK = re.compile(r"\d{1,2}:\d\d")
_NEAR_SECONDS = 2 * 86_400  # a number this near to when the sample happened is a time
_PERSON_IDS = ("id", "admin_graphql_api_id")


class Variation:
    """`name` begins every address of it, `number` tells it from the others of that name."""

    def __init__(self, name: str, number: int, *, seed: int, sample_at: float | None = None) -> None:
        self._name, self._number, self._seed = name, number, seed
        self._sample_at = sample_at
        self._seconds = 0
        self._others: dict[str, str] = {}  # by the text in lower case
        self._tails: set[str] = set()
        self._phone = ""  # with its country, without a sign
        self._pattern: re.Pattern[str] | None = None

    def person(self, expected: Mapping[str, Any], texts: Iterable[str]) -> None:
        """Somebody else than the lead that is `expected` of the sample, whose texts are given.

        Whoever has an address gets no number to be called at: those that are kept for inventions are too few, and two
        people with one number are one.
        """
        own = str(expected.get("email") or "").lower()
        found = dict.fromkeys(match for text in texts for match in EMAIL.findall(text))
        for place, email in enumerate(sorted(found, key=lambda email: email.lower() != own)):
            self._take(email, f"{self._name}.{self._number}{f'.{place}' if place else ''}@example.org")
        first, last = _FIRST[self._number % len(_FIRST)], _LAST[self._number // len(_FIRST) % len(_LAST)]
        self._take(expected.get("company"), f"{last} Works {self._number}")
        self._take(expected.get("first_name"), first)
        self._take(expected.get("last_name"), last)
        for value in expected.values():
            if isinstance(value, str) and value.startswith("+"):
                self._tails.add(_digits(value)[-_PHONE_TAIL:])
        if not found:
            area, line = _AREAS[self._number // 100 % len(_AREAS)], self._number % 100
            self._phone = f"1{area}55501{line:02d}"

    def ids(self, ids: Iterable[str]) -> None:
        """Others than these."""
        for text in ids:
            token = id_token(text)
            self._take(token, self._other_id(token))

    def moved_by(self, seconds: float) -> None:
        self._seconds = round(seconds)

    def of(self, value: Any) -> Any:
        """The value with all this in it. Of keys only those are others that are ids."""
        if isinstance(value, dict):
            return self._of_object(value)
        if isinstance(value, list):
            return [self.of(entry) for entry in value]
        if isinstance(value, str):
            return self.of_text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            other = self.of_text(str(value))
            return int(other) if other.isdigit() else value
        return value

    def of_text(self, text: str) -> str:
        """Of a text in a record, or of any text that holds some."""
        if self._is_moved(text):
            return shifted(text, self._seconds)
        if _PHONE.fullmatch(text) and _digits(text)[-_PHONE_TAIL:] in self._tails:
            return f"+{self._phone}" if self._phone and text.startswith("+") else self._phone
        if self._pattern is None:
            known = "|".join(re.escape(old) for old in sorted(self._others, key=len, reverse=True))
            self._pattern = re.compile(
                rf"(?<![A-Za-z0-9])(?:{known})(?![A-Za-z0-9])" if known else r"(?!)", re.IGNORECASE
            )
        text = _WHOLE_PHONE.sub(f"+{self._phone}" if self._phone else "", text)
        return self._pattern.sub(lambda match: self._others[match[0].lower()], text)

    def _of_object(self, value: dict[str, Any]) -> dict[str, Any]:
        """Who has an address there has an id of his own as well."""
        varied = {self._key(key): self.of(entry) for key, entry in value.items()}
        if any(isinstance(entry, str) and EMAIL.fullmatch(entry) for entry in value.values()):
            for key in _PERSON_IDS:
                old = value.get(key)
                if isinstance(old, str | int) and not isinstance(old, bool) and varied[key] == old:
                    token = id_token(str(old))
                    other = str(old)[::-1].replace(token[::-1], self._other_id(token)[::-1], 1)[::-1]
                    varied[key] = int(other) if isinstance(old, int) else other
        return varied

    def _key(self, key: str) -> str:
        """Where records stand under their ids."""
        return self._others.get(key.lower(), key) if any(sign.isdigit() for sign in key) else key

    def _take(self, old: Any, new: str) -> None:
        if isinstance(old, str) and len(old) > 1:
            self._others.setdefault(old.lower(), new)
            self._pattern = None

    def _other_id(self, token: str) -> str:
        """As long as it was, if it was long, with its first sign: numbers stay numbers."""
        return f"{token[:1]}{self._seed % 1000:03d}{self._number:0{max(6, len(token) - 4)}d}"

    def _is_moved(self, text: str) -> bool:
        if not is_time(text):
            return False
        if _CLOCK.search(text):
            return True
        moment = parse_time(text)
        return (
            moment is not None
            and self._sample_at is not None
            and abs(moment.timestamp() - self._sample_at) < _NEAR_SECONDS
        )


def id_token(text: str) -> str:
    """The part of an id that tells it from others: its last long word with a digit, else its last one."""
    words = _TOKEN.findall(text)
    numbered = [word for word in words if len(word) > 2 and any(sign.isdigit() for sign in word)]
    return next(reversed(numbered), words[-1] if words else "")


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())
