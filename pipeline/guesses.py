"""What a field of an unknown source probably means, by its name and value; and an invented value of the same kind."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_EMAIL = re.compile(r"^\S+@\S+\.\S+$")
_NAME_KEYS = ("key", "name", "field", "ref", "label", "title", "question")  # of an answer in a list of them
_VALUE_KEYS = {"value", "values", "answer", "text"}
_FEWEST_ANSWERS = 2
_SELECTABLE = re.compile(r"^[^\[\]]{1,200}$")
_ANSWER = re.compile(r"\[[^\[\]=]+=([^\[\]]+)\]\.(?:value|values|answer|text)$")
_URL = re.compile(r"^https?://", re.IGNORECASE)

# Canonical field -> names that sources give it, folded to letters and digits. The usual ones of English, Spanish,
# Portuguese, German and French forms.
_NAMES: dict[str, tuple[str, ...]] = {
    "email": ("email", "emailaddress", "mail", "email1", "correo", "correoelectronico", "workemail", "emailadresse"),
    "other_emails": ("email2", "secondaryemail", "otheremails", "otheremail"),
    "phone": ("phone", "phonenumber", "tel", "telephone", "mobile", "mobilephone", "phone1", "telefono", "telefone",
              "telefon", "celular", "handy"),
    "other_phones": ("phone2", "secondaryphone", "otherphones", "otherphone"),
    "whatsapp_id": ("waid", "whatsapp", "whatsappid"),
    "first_name": ("firstname", "givenname", "forename", "nombre", "vorname", "prenom"),
    "last_name": ("lastname", "surname", "familyname", "apellido", "apellidos", "nachname", "sobrenome"),
    "full_name": ("name", "fullname", "contactname", "nombrecompleto"),
    "company": ("company", "companyname", "organization", "organisation", "empresa", "firma", "account", "accountname"),
    "website": ("website", "url", "homepage", "web", "domain"),
    "job_title": ("jobtitle", "title", "position", "cargo", "role"),
    "industry": ("industry", "sector", "branche"),
    "employee_count": ("employees", "employeecount", "companysize", "numemployees"),
    "street": ("street", "address", "address1", "streetaddress", "direccion"),
    "city": ("city", "town", "ciudad", "cidade", "stadt", "ort"),
    "state": ("state", "province", "regionname", "provincia"),
    "postal_code": ("zip", "zipcode", "postalcode", "postcode", "plz", "cp", "codigopostal"),
    "country": ("country", "countrycode", "pais", "land", "pays"),
    "language": ("language", "locale", "lang", "idioma"),
    "linkedin_url": ("linkedin", "linkedinurl", "linkedinprofile"),
    "message": ("message", "comments", "comment", "notes", "question", "mensaje", "mensagem", "nachricht"),
    "product_interest": ("product", "productinterest", "interest", "service"),
    "external_id": ("id", "externalid", "leadid", "submissionid", "entryid", "responseid", "eventid", "accountid",
                    "recordid", "uuid", "contactid"),
    "occurred_at": ("submittedat", "createdat", "createdtime", "created", "timestamp", "occurredat", "date",
                    "submitted", "createddate", "updatedat"),
    "page_url": ("pageurl", "page", "landingpage", "pageuri"),
    "referrer": ("referrer", "referer", "referralurl"),
    "campaign_id": ("campaignid",),
    "campaign_name": ("campaignname", "campaign"),
    "ad_group_id": ("adgroupid", "adsetid"),
    "ad_group_name": ("adgroupname", "adsetname"),
    "ad_id": ("adid",),
    "ad_name": ("adname",),
    "form_id": ("formid",),
    "form_name": ("formname", "form"),
    "event_name": ("eventname",),
    "partner": ("partner", "partnername"),
    "reported_source": ("source", "leadsource", "howdidyouhear"),
    "consent:marketing": ("optin", "consent", "marketingconsent", "newsletter", "gdprconsent", "marketingoptin",
                          "subscribe"),
}  # fmt: skip
_EXACT = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id", "gclid", "gbraid", "wbraid",
          "dclid", "fbclid", "msclkid", "li_fat_id", "ttclid", "twclid", "ctwa_clid")  # fmt: skip
_FIELD_OF = {name: field for field, names in _NAMES.items() for name in names} | {
    name.replace("_", ""): name for name in _EXACT
}

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
    name = _fold(path)
    found = _FIELD_OF.get(name)
    if found is None and isinstance(value, str) and _EMAIL.match(value):
        return "email"
    if found in {"email", "other_emails"} and isinstance(value, str) and value and not _EMAIL.match(value):
        return None
    if found == "occurred_at" and not is_moment(path, value):
        return None
    if found == "consent:marketing" and isinstance(value, dict | list):
        return None
    return found


def is_event_id(path: str) -> bool:
    """Whether a name says: the source's own id of this record."""
    return _FIELD_OF.get(_fold(path)) == "external_id"


def is_moment(path: str, value: Any) -> bool:
    """Whether a name and value say: when it happened."""
    if _FIELD_OF.get(_fold(path)) != "occurred_at":
        return False
    if isinstance(value, int) and not isinstance(value, bool):
        return value > 1_000_000_000
    return isinstance(value, str) and _as_moment(value) is not None


def invented(field: str | None, path: str, value: Any) -> Any:
    """A value of the same JSON type that says nothing about anybody. Flags and times stay: they identify no one."""
    if value is None or isinstance(value, bool) or field == "occurred_at":
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
        return sum(1 for name in names if re.sub(r"[^a-z0-9]", "", str(name).lower()) in _FIELD_OF)

    found = {key: count for key in _NAME_KEYS if (count := named(key)) is not None}
    return max(found, key=lambda key: found[key], default=None)


def _fold(path: str) -> str:
    if answer := _ANSWER.search(path):
        return re.sub(r"[^a-z0-9]", "", answer[1].lower())
    last = re.sub(r"\[[^\]]*\]$", "", path).rpartition(".")[2]
    return re.sub(r"[^a-z0-9]", "", last.lower())


def _words(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", path.rpartition(".")[2].lower()).strip() or "value"


def _as_moment(text: str) -> datetime | None:
    if not re.match(r"^\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None
