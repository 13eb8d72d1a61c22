"""The rules over the whole lead, one function each. `mappings/validation.yaml` lists them, `validation` asks them.

A check looks at two forms of the lead: `given`, as the mapping named the fields, and `fields`, normalized. It answers
with the field at fault, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import IntFlag
from typing import Any

from pipeline.canonical import IDENTIFYING_FIELDS
from pipeline.stages.validation.links import count_foreign_links, has_bbcode_link, links_of, text_beside_links
from pipeline.stages.validation.rules import NOTHING_TO_IDENTIFY, Rule

_NAMES = ("first_name", "last_name", "full_name")
_MARKED = (*_NAMES, "company", "message")
_MESSAGE_LIMIT = 32_000  # characters of a message that are looked at
_NAME_LIMIT = 254

Fields = Mapping[str, Any]
Check = Callable[[Fields, Fields], str | None]


class TestWords:
    """Whether an address or a name is made of nothing but words for a test."""

    def __init__(self, words: Mapping[str, tuple[str, ...]]) -> None:
        self._words = frozenset(word.lower() for word in words.get("words", ()))
        self._fillers = frozenset(word.lower() for word in words.get("fillers", ()))
        self._names = frozenset(name.lower() for name in words.get("names", ()))
        known = sorted(self._words | self._names, key=len)
        # "test" stands for "testing" too: where the shorter one is not in a text, neither is the longer one.
        self.stems = tuple(
            word for place, word in enumerate(known) if not any(shorter in word for shorter in known[:place])
        )

    def is_email(self, text: str) -> bool:
        """test@…, prueba.2@…, test-user@…; at any domain, so its owner may exist."""
        local = text[:_NAME_LIMIT].lower().partition("@")[0]
        return self._is_made_of(re.split(r"[._+-]+", local.strip(" \"'<")))

    def is_name(self, text: str) -> bool:
        """Test, Test Test, Prueba 2, Max Mustermann; neither `Tadeusz Test` nor `Testa`."""
        lowered = text[:_NAME_LIMIT].lower().strip()
        return lowered in self._names or self._is_made_of(re.findall(r"\w+", lowered))

    def _is_made_of(self, parts: list[str]) -> bool:
        bare = [word for word in (part.strip("0123456789") for part in parts) if word]
        return any(word in self._words for word in bare) and all(
            word in self._words or word in self._fillers for word in bare
        )


class Screen(IntFlag):
    """What makes some rules worth asking: a word for a test, a link in the message, a link in a name."""

    TEST = 1
    MESSAGE = 2
    NAME = 4

    @staticmethod
    def of(words: TestWords) -> Callable[[Fields, Fields], int]:
        """A function that looks for all three in a lead. Every lead pays for it, so it only asks `in`."""
        stems = words.stems

        def screen(given: Fields, fields: Fields) -> int:
            signs = 4 if _names_with_links(given) else 0
            if _message(given):
                signs |= 2
            looked_at = f"{_email(given, fields)} {_name(fields)}".lower()
            for stem in stems:
                if stem in looked_at:
                    return signs | 1
            return signs

        return screen


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _name(fields: Fields) -> str:
    full = fields.get("full_name")
    return (
        full if isinstance(full, str) else f"{fields.get('first_name') or ''} {fields.get('last_name') or ''}".strip()
    )


def _email(given: Fields, fields: Fields) -> str:
    """The address; as it was given if it could not be used, because a placeholder says something too."""
    email = fields.get("email") or given.get("email")
    return email if isinstance(email, str) else ""


def _is_reachable(fields: Fields, looks_like_test: TestWords) -> bool:
    """Somebody has a number, a profile, or a mailbox that is not named after a test."""
    if any(fields.get(name) for name in ("phone", "whatsapp_id", "other_phones", "linkedin_url")):
        return True
    emails = [fields.get("email"), *fields.get("other_emails", ())]
    return any(email and not looks_like_test.is_email(email) for email in emails)


def _test_marker(rule: Rule, _: TestWords) -> Check:
    ids, texts = rule.words["ids"], tuple(text.lower() for text in rule.words["texts"])
    first_letters = frozenset(text[0] for text in texts)

    def check(given: Fields, _fields: Fields) -> str | None:
        external_id = given.get("external_id")
        if isinstance(external_id, str) and external_id.startswith(ids):
            return "external_id"
        for name in _MARKED:
            value = given.get(name)
            if isinstance(value, str) and value[:1].lower() in first_letters and value[:500].lower().startswith(texts):
                return name
        return None

    return check


def _test_lead(_: Rule, looks_like_test: TestWords) -> Check:
    def check(given: Fields, fields: Fields) -> str | None:
        name = _name(fields)
        is_name = bool(name) and looks_like_test.is_name(name)
        if name and not is_name and any(map(str.isalpha, name)):
            return None
        email = _email(given, fields)
        is_email = bool(email) and looks_like_test.is_email(email)
        if not (is_name or is_email) or _is_reachable(fields, looks_like_test):
            return None
        return "email" if is_email else "full_name"

    return check


def _test_like(_: Rule, looks_like_test: TestWords) -> Check:
    def check(given: Fields, fields: Fields) -> str | None:
        email = _email(given, fields)
        if email and looks_like_test.is_email(email):
            return "email"
        name = _name(fields)
        return "full_name" if name and looks_like_test.is_name(name) else None

    return check


def _message(given: Fields) -> str:
    """The message as it was given, if there may be a link in it; else nothing, which is what most hold."""
    value = given.get("message")
    if not isinstance(value, str) or ("://" not in value and "www." not in value and "WWW." not in value):
        return ""
    return value[:_MESSAGE_LIMIT]


def _link_stuffed(rule: Rule, _: TestWords) -> Check:
    fewest, most_text = rule.counts["links"], rule.counts["text"]

    def check(given: Fields, _fields: Fields) -> str | None:
        message = _message(given)
        if not message:
            return None
        if has_bbcode_link(message):
            return "message"
        if count_foreign_links(message, given) < fewest:
            return None
        return "message" if text_beside_links(message) < most_text else None

    return check


def _many_links(rule: Rule, _: TestWords) -> Check:
    fewest = rule.counts["links"]

    def check(given: Fields, _fields: Fields) -> str | None:
        message = _message(given)
        return "message" if message and count_foreign_links(message, given) >= fewest else None

    return check


def _names_with_links(given: Fields) -> list[str]:
    return [
        name for name in _NAMES if "." in (text := _text(given, name)) and ("://" in text or "www." in text.lower())
    ]


def _link_repeated(_: Rule, __: TestWords) -> Check:
    def check(given: Fields, _fields: Fields) -> str | None:
        if not (named := _names_with_links(given)):
            return None
        # Without a scheme it may be a company's name, and so may the lead's own site.
        links = [{link for link in links_of(_text(given, name)[:255], given) if link.has_scheme} for name in named]
        others = {link.address for link in links_of(_text(given, "message")[:_MESSAGE_LIMIT], given)}
        for place, name in enumerate(named):
            addresses = {link.address for link in links[place]}
            beside = others.union(*({link.address for link in later_links} for later_links in links[place + 1 :]))
            if addresses & beside:
                return name
        return None

    return check


def _link_in_name(_: Rule, __: TestWords) -> Check:
    def check(given: Fields, _fields: Fields) -> str | None:
        return next(iter(_names_with_links(given)), None)

    return check


_HUMP = re.compile(r"[a-z][A-Z]")
_WORD_OF_LETTERS = re.compile(r"[A-Za-z]{7,}")
_DOTTED_GMAIL = re.compile(r"(?:[a-z0-9]{1,4}\.){3,}[a-z0-9]{1,6}@(?:gmail|googlemail)\.com")


def _is_random(text: str) -> bool:
    """One word of at least seven letters whose case goes up and down in the middle three times: no name does."""
    if len(text) < 7 or text.istitle():  # nearly every name; spares the pattern
        return False
    return _WORD_OF_LETTERS.fullmatch(text) is not None and len(_HUMP.findall(text)) >= 3


def _random_name(_: Rule, __: TestWords) -> Check:
    def check(given: Fields, _fields: Fields) -> str | None:
        first, last = _text(given, "first_name"), _text(given, "last_name")
        parts = [first, last] if first or last else _text(given, "full_name")[:255].split()[:2]
        count = sum(map(_is_random, parts))
        if count and (count == 2 or _DOTTED_GMAIL.fullmatch(_text(given, "email")[:254].strip().lower())):
            return "first_name" if first or last else "full_name"
        return None

    return check


def _foreign_script(rule: Rule, _: TestWords) -> Check:
    markets = frozenset(rule.words["markets"])

    def check(given: Fields, fields: Fields) -> str | None:
        message = _message(given)
        if not message or message.isascii():
            return None
        market = fields.get("country") or fields.get("region")
        if not market or market in markets or not count_foreign_links(message, given):
            return None
        letters = [ord(char) for char in message if char.isalpha() and not char.isascii()]
        # Beyond Latin, its extensions and phonetic letters. Vietnamese has some, but never nine in ten.
        others = sum(letter >= 0x370 for letter in letters)
        return "message" if others >= 10 and others > 0.9 * text_beside_links(message) else None

    return check


def _nothing_to_identify(_: Rule, __: TestWords) -> Check:
    def check(_given: Fields, fields: Fields) -> str | None:
        for name in IDENTIFYING_FIELDS:
            if name in fields:
                return None
        return ""  # no single field is at fault

    return check


# Rule -> what makes it worth asking (None: always), and the function that makes its check.
CHECKS: dict[str, tuple[Screen | None, Callable[[Rule, TestWords], Check]]] = {
    "test_marker": (None, _test_marker),
    "test_lead": (Screen.TEST, _test_lead),
    "link_stuffed": (Screen.MESSAGE, _link_stuffed),
    "link_repeated": (Screen.NAME, _link_repeated),
    NOTHING_TO_IDENTIFY: (None, _nothing_to_identify),
    "test_like": (Screen.TEST, _test_like),
    "many_links": (Screen.MESSAGE, _many_links),
    "link_in_name": (Screen.NAME, _link_in_name),
    "random_name": (None, _random_name),
    "foreign_script": (Screen.MESSAGE, _foreign_script),
}
