"""What a field of an unknown source probably means, by its name and value; and an invented value of the same kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeline.canonical import CANONICAL_FIELDS
from pipeline.values.column_titles import title_key, titles

_EMAIL = re.compile(r"^\S+@\S+\.\S+$")
_CANONICAL = {title_key(name): name for name in CANONICAL_FIELDS}  # exact names mean themselves
_NAME_KEYS = ("key", "name", "field", "ref", "label", "title", "question")  # of an answer in a list of them
_VALUE_KEYS = {"value", "values", "answer", "text"}
_FEWEST_ANSWERS = 2
_SELECTABLE = re.compile(r"^[^\[\]]{1,200}$")
_ANSWER = re.compile(r"\[[^\[\]=]+=([^\[\]]+)\]\.(?:value|values|answer|text)$")
_CHOICE = re.compile(r"^[A-Za-z][A-Za-z_]{0,40}\d{0,3}$")
_URL = re.compile(r"^https?://", re.IGNORECASE)

# Names that mean one thing in a payload and several in a table; mappings/vocabularies/headers.yaml has the rest. What a
# developer scaffolds is read over, so a likely meaning is enough here.
_LIKELY = {
    "email1": "email", "email2": "other_emails", "phone1": "phone", "phone2": "other_phones", "nombre": "first_name",
    "name": "full_name", "account": "company", "url": "website", "web": "website", "title": "job_title",
    "role": "job_title",
    "address": "street", "address1": "street", "direccion": "street", "regionname": "state", "countrycode": "country",
    "product": "product_interest", "service": "product_interest", "id": "external_id", "eventid": "external_id",
    "accountid": "external_id", "occurredat": "occurred_at", "date": "occurred_at", "updatedat": "occurred_at",
    "page": "page_url", "howdidyouhear": "reported_source",
    **dict.fromkeys(
        ("optin", "consent", "marketingconsent", "newsletter", "gdprconsent", "marketingoptin", "subscribe"),
        "consent:marketing",
    ),
}  # fmt: skip
# Of a submission or event, not of a person: the connector declares it, and no lead is known by it.
_OF_A_RECORD = frozenset(("eventid", "submissionid", "entryid", "responseid", "formresponseid"))
_CHOICES = frozenset(("checkboxkey", "fieldkey", "questionkey"))  # which question it was, not what was answered
# Of these one record has one; the id of a customer would make a second lead of theirs pass for a repetition.
_EVENT_IDS = frozenset(
    ("id", "externalid", "leadid", "submissionid", "entryid", "responseid", "eventid", "recordid", "uuid",
     "contactid")
)  # fmt: skip

# What has an id of its own and is neither a person nor what one sent.
_THINGS = frozenset(
    ("form", "page", "account", "webinar", "event", "definition", "entry", "campaign", "ad", "adset", "adgroup",
     "owner", "company", "organization", "workspace", "site", "team", "list", "product", "pipeline",
     "meeting", "project")
)  # fmt: skip
_OF_A_PERSON = frozenset(
    ("email", "other_emails", "phone", "other_phones", "whatsapp_id", "full_name", "first_name", "last_name")
)
_PLACE = re.compile(r"\[-?\d+\]")  # of an entry of a list without names

_INVENTED: dict[str, Any] = {
    "email": "ada.sample@example.com",
    "other_emails": "ada@example.org",
    "phone": "+1 202-555-0143",
    "other_phones": "+1 202-555-0178",
    "whatsapp_id": "12025550143",
    "first_name": "Ada",
    "last_name": "Sample",
    "full_name": "Ada Sample",
    "company": "Example Works",
    "job_title": "Engineer",
    "street": "1 Example Street",
    "city": "Springfield",
    "state": "Illinois",
    "postal_code": "62701",
    "country": "US",
    "language": "en",
    "linkedin_url": "https://www.linkedin.com/in/ada-sample",
    "external_id": "sample-1",
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
_INVENTED_MOMENT = "2026-01-15T10:00:00Z"


def guess_field(path: str, value: Any) -> str | None:
    """The canonical field (or `consent:PURPOSE`) that `path` most likely holds, or None. Empty values tell nothing
    against a name; a value of the wrong kind does."""
    if is_record_id(path):
        return None
    name = _fold(path)
    field = _field_of(name)
    if field is None and isinstance(value, str) and _EMAIL.match(value):
        return "email"
    if field in {"email", "other_emails"} and isinstance(value, str) and value and not _EMAIL.match(value):
        return None
    if field == "occurred_at" and not is_moment(path, value):
        return None
    if field == "consent:marketing" and isinstance(value, dict | list):
        return None
    return field


def is_event_id(path: str) -> bool:
    """Whether a name says: the source's own id of this record."""
    return _fold(path) in _EVENT_IDS


def event_id_among(leaves: Sequence[tuple[str, Any]]) -> str | None:
    """The path of the source's own id of a record; that of a submission before that of a person, who may send several.

    An id counts in the object that holds the person or in one around it, with no list between: the id of a form, a page
    or an account stands beside the person, or above a list of which each entry is another's.
    """
    people = [path for path, value in leaves if guess_field(path, value) in _OF_A_PERSON]
    candidates = [
        path
        for path, value in leaves
        if isinstance(value, str | int) and not isinstance(value, bool) and is_event_id(path) and _holds(path, people)
    ]
    return next((path for path in candidates if is_record_id(path)), next(iter(candidates), None))


def _holds(path: str, people: Sequence[str]) -> bool:
    """Whether the object that a path is in holds one of the people's fields, or no field of a person is known."""
    parent = path.rpartition(".")[0]
    if _THINGS & {title_key(re.sub(r"\[.*", "", key)) for key in parent.split(".")}:
        return False
    prefix = f"{parent}." if parent else ""
    around = [other.removeprefix(prefix) for other in people if other.startswith(prefix)]
    if not people:
        return not parent
    return any(_PLACE.search(other) is None for other in around)


def is_record_id(path: str) -> bool:
    """Whether a name says: the id of this submission or event, not of a person. `customer.id` is a person's."""
    return path == "id" or _fold(path) in _OF_A_RECORD


def is_moment(path: str, value: Any) -> bool:
    """Whether a name and value say: when it happened."""
    if _field_of(_fold(path)) != "occurred_at":
        return False
    if isinstance(value, int) and not isinstance(value, bool):
        return value > 1_000_000_000
    return isinstance(value, str) and _as_moment(value) is not None


def invented(field: str | None, path: str, value: Any) -> Any:
    """A value of the same JSON type that says nothing about anybody. Flags and times stay: they identify no one."""
    if value is None or isinstance(value, bool) or field in ("occurred_at", "platform", "is_organic"):
        return value
    if _fold(path) in _CHOICES and isinstance(value, str) and _CHOICE.match(value):
        return value
    if field in _INVENTED:
        made = _INVENTED[field]
        return made if isinstance(value, str) else _number_like(made, value)
    return _invented_text(path, value) if isinstance(value, str) else type(value)(1)


def invented_cell(field: str | None, column: str) -> str:
    """A cell for the sample of a table. Made from the column's title and field alone: nothing of anybody is in it."""
    if field == "occurred_at":
        return _INVENTED_MOMENT
    return str(_INVENTED.get(field or "", f"sample {_words(column)}"))


def _invented_text(path: str, value: str) -> str:
    if not value or _as_moment(value):
        return value
    if _URL.match(value):
        return "https://www.example.com/"
    if _EMAIL.match(value):
        return "ada.sample@example.com"
    return f"sample {_words(path)}"


def _number_like(made: str, value: float) -> int | float:
    digits = re.sub(r"\D", "", made)
    return type(value)(int(digits[:12] or 1))


def name_key_of(items: list[Any]) -> str | None:
    """`key`, for a list of answers such as `[{"key": "email", "value": …}, …]`: what tells its entries apart."""
    if len(items) < _FEWEST_ANSWERS or not all(
        isinstance(entry, dict) and _VALUE_KEYS & entry.keys() for entry in items
    ):
        return None

    def named(key: str) -> int | None:
        """How many names mean something; None if `key` does not tell all entries apart."""
        names = [entry.get(key) for entry in items]
        if not all(isinstance(name, str) and _SELECTABLE.match(name) for name in names) or len(set(names)) < len(names):
            return None
        return sum(1 for name in names if _field_of(title_key(str(name))) is not None)

    counts = {key: count for key in _NAME_KEYS if (count := named(key)) is not None}
    return max(counts, key=lambda key: counts[key], default=None)


def _field_of(name: str) -> str | None:
    known = titles().fields.get(name)
    return known[0] if known else _LIKELY.get(name) or _CANONICAL.get(name)


def _fold(path: str) -> str:
    if answer := _ANSWER.search(path):
        return title_key(answer[1])
    return title_key(re.sub(r"\[[^\]]*\]$", "", path).rpartition(".")[2])


def _words(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", path.rpartition(".")[2].lower()).strip() or "value"


def _as_moment(text: str) -> datetime | None:
    if not re.match(r"^\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None
