"""What the values of a column look like: evidence for or against what its title says. Nothing here is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from pipeline.values.emails.emails import normalize_email
from pipeline.values.folding import fold
from pipeline.values.phones.phones import normalize_phone, normalize_whatsapp_id
from pipeline.values.text.mojibake import repair_mojibake
from pipeline.values.vocabularies import vocabulary
from pipeline.values.web.websites import normalize_linkedin_url, normalize_website

Kind = str  # email, linkedin, url, moment, phone, number, company, honorific, words (two or more), word, text

_EMAIL = re.compile(
    r"^(?:mailto:)?[^\s@<>]{1,64}@[^\s@<>]+\.[^\s@<>.]{2,}$|<[^\s@<>]+@[^\s@<>]+\.[^\s@<>.]{2,}>$", re.IGNORECASE
)
_URL = re.compile(r"^(?:https?://|www\.)\S+$|^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}(?:/\S*)?$", re.IGNORECASE)
_LINKEDIN = re.compile(r"^(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/(?:in|pub|profile)/\S+$", re.IGNORECASE)
_MOMENT = re.compile(
    r"^\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?$|^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:[ ,T].*)?$|^\d{10}(?:\d{3})?$"
    r"|^\d{1,2}\.? [^\W\d]{3,12}\.?,? \d{4}|^[^\W\d]{3,12}\.? \d{1,2},? \d{4}"
)
_NUMBER = re.compile(r"^[+-]?\d+(?:[.,' ]\d+)*$")
_PHONE = re.compile(r"^(?:p:|tel:)?[+(]?[\d\s()./+\-\u2010-\u2015]{5,}(?:\s?(?:x|ext\.?|#)\s?\d{1,6})?$", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"^\d[.,]\d+E\+?\d{1,2}$", re.IGNORECASE)
_FEWEST_DIGITS, _MOST_DIGITS = 6, 18
_LOOKED_AT = 300  # characters of a value
_LONGEST_CELL, _MOST_WORDS = 120, 12  # of a cell that is an address with words beside it, no message
_AT = re.compile(r"@|\(at\)|\[at\]|\{at\}| at ", re.IGNORECASE)


def _is_phone(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    return _FEWEST_DIGITS <= digits <= _MOST_DIGITS and _PHONE.match(text) is not None


# In this order: the first that fits.
_LOOKS: tuple[tuple[Kind, Callable[[str], object]], ...] = (
    ("email", lambda text: "@" in text and _EMAIL.search(text)),
    ("linkedin", _LINKEDIN.match),
    ("moment", _MOMENT.match),
    ("phone", _SCIENTIFIC.match),
    ("phone", _is_phone),
    ("number", _NUMBER.match),
    ("url", _URL.match),
)


def kind_of(value: str) -> Kind:
    """The kind of one value, by its looks alone."""
    text = repair_mojibake(value[:_LOOKED_AT].strip())
    kind = next((kind for kind, looks in _LOOKS if looks(text)), None)
    return kind or _kind_of_cell(text) or _kind_of_words(fold(text).split())


def _kind_of_cell(text: str) -> Kind | None:
    """Of a cell with more in it than an address: `E-Mail: a@x.org`, `+49 30 901820 (office)`."""
    if len(text) > _LONGEST_CELL or len(text.split()) > _MOST_WORDS:
        return None
    if _AT.search(text) and _is_email(text):
        return "email"
    return "phone" if is_international(text) else None


def _is_email(text: str) -> bool:
    return normalize_email(text).value is not None


def _may_be_phone(text: str) -> bool:
    """Whether it is a number, or would be one if its country were known."""
    phone = normalize_phone(text)
    return phone.value is not None or "region_unknown" in phone.flags


def is_international(text: str) -> bool:
    """Whether it holds a valid phone number with its country code, marked as such: an id of many digits is none."""
    if sum(character.isdigit() for character in text) < _FEWEST_DIGITS:
        return False
    phone = normalize_phone(text)
    return phone.value is not None and "prefix_assumed" not in phone.flags


def _kind_of_words(words: list[str]) -> Kind:
    if not words:
        return "text"
    if " ".join(words) in _words("honorifics"):
        return "honorific"
    if len(words) > 1 and not _words("company_words").isdisjoint(words):
        return "company"
    if any(word.isdigit() for word in words) or len(words) > 6:
        return "text"
    return "words" if len(words) > 1 else "word"


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(fold(str(word)) for word in vocabulary("headers")[name])


class ColumnValues:
    """The filled values of one column of a sample."""

    def __init__(self, values: Sequence[str]) -> None:
        filled = [value for value in values if value and not value.isspace()]
        self.count = len(filled)
        self._filled = filled
        self._kinds = [kind_of(value) for value in filled]
        self.are_distinct = len(set(filled)) == len(filled)
        self.share_distinct = len(set(filled)) / len(filled) if filled else 0.0

    def share(self, *kinds: Kind) -> float:
        """Of the filled values, those of one of `kinds`; 0 if nothing is filled."""
        return sum(kind in kinds for kind in self._kinds) / self.count if self.count else 0.0

    def share_of(self, is_one: Callable[[str], bool]) -> float:
        """Of the filled values, those that `is_one` says yes to."""
        return sum(map(is_one, self._filled)) / self.count if self.count else 0.0


_CONTACTS = ("email", "phone", "url", "linkedin", "moment")
_MOSTLY = 0.5
_HARDLY = 0.2


def contradicts(field: str, values: ColumnValues) -> bool:
    """Whether the values are of another kind than `field` holds. Few or no values contradict nothing."""
    if not values.count:
        return False
    needed = _NEEDED.get(field)
    if needed is not None:
        return values.share(*needed) < _HARDLY and values.share_of(_READS.get(field, _reads_nothing)) < _HARDLY
    if field in _FREE:
        return False
    return values.share(*_CONTACTS) > _MOSTLY


_NEEDED: dict[str, tuple[Kind, ...]] = {
    "email": ("email",),
    "other_emails": ("email",),
    "phone": ("phone", "moment"),  # ten digits alone may be either
    "other_phones": ("phone", "moment"),
    "whatsapp_id": ("phone", "moment"),
    "website": ("url", "linkedin"),
    "linkedin_url": ("linkedin", "url"),
    "page_url": ("url", "linkedin"),
    "referrer": ("url", "linkedin"),
    "occurred_at": ("moment", "number"),  # a spreadsheet's serial number is a date
}
# What the normalizer makes of a cell decides, not its looks alone: it reads much that looks odd.
_READS: dict[str, Callable[[str], bool]] = {
    "email": _is_email,
    "other_emails": _is_email,
    "phone": _may_be_phone,
    "other_phones": _may_be_phone,
    "whatsapp_id": lambda text: _may_be_phone(text) or normalize_whatsapp_id(text).value is not None,
    "website": lambda text: normalize_website(text).value is not None,
    "linkedin_url": lambda text: normalize_linkedin_url(text).value is not None,
}


def _reads_nothing(_text: str) -> bool:
    return False


# May hold anything: a message an address, an id a number.
_FREE = frozenset(
    [
        *(
            "message",
            "external_id",
            "campaign_id",
            "ad_group_id",
            "ad_id",
            "form_id",
            "utm_term",
            "utm_content",
            "utm_id",
            "platform",
            "form_name",
        ),
        *("utm_campaign", "campaign_name", "postal_code", "reported_source", "utm_source", "employee_count"),
    ]
)


# For a title of several meanings: how sure the values make one of them, from 0 to 1.
PROOFS: dict[str, Callable[[ColumnValues], float]] = {
    "email": lambda values: values.share("email"),
    "phone": lambda values: values.share("phone"),
    "linkedin_url": lambda values: values.share("linkedin"),
    "website": lambda values: values.share("url"),
    "company": lambda values: values.share("company"),
    "full_name": lambda values: values.share("words"),
    "job_title": lambda values: values.share("words", "word", "text") - 2 * values.share("honorific"),
    "occurred_at": lambda values: values.share("moment"),
    "street": lambda values: values.share("words", "text", "word"),
    "product_interest": lambda values: values.share("words", "text", "word"),
    "external_id": lambda values: float(values.are_distinct and values.count > 1 and not values.share(*_CONTACTS[2:])),
}
