"""What a field of an unknown source probably means, by its name, the objects it stands in, and its value."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from connectors.kit.paths import parse_path
from connectors.kit.sources.parts import BESIDE
from pipeline.canonical import CANONICAL_FIELDS, TOUCH_FIELDS
from pipeline.values.column_titles import title_key, titles

EMAIL = re.compile(r"^\S+@\S+\.\S+$")
_CANONICAL = {title_key(name): name for name in CANONICAL_FIELDS}  # exact names mean themselves

# Names that mean one thing in a payload and several in a table; mappings/vocabularies/headers.yaml has the rest. What a
# developer scaffolds is read over, so a likely meaning is enough here.
_LIKELY = {
    "email1": "email", "email2": "other_emails", "phone1": "phone", "phone2": "other_phones", "nombre": "first_name",
    "name": "full_name", "account": "company", "url": "website", "web": "website", "title": "job_title",
    "role": "job_title",
    "address": "street", "address1": "street", "direccion": "street", "regionname": "state", "countrycode": "country",
    "product": "product_interest", "service": "product_interest",
    "occurredat": "occurred_at", "date": "occurred_at", "updatedat": "occurred_at",
    "page": "page_url", "howdidyouhear": "reported_source", "waid": "whatsapp_id", "phonenumber": "phone",
    **dict.fromkeys(
        ("optin", "consent", "marketingconsent", "newsletter", "gdprconsent", "marketingoptin", "subscribe"),
        "consent:marketing",
    ),
}  # fmt: skip
# Ids of one contact: no lead is known by them. `id` alone is that of whatever it stands in.
_SUBMISSION_IDS = frozenset(
    ("id", "eventid", "submissionid", "entryid", "responseid", "formresponseid", "registrationid", "token", "uuid",
     "messageid", "deliveryid")
)  # fmt: skip
# Of these one record has one, too; that of an account or a person may come again with another record.
_RECORD_IDS = frozenset(
    ("externalid", "leadid", "recordid", "contactid", "accountid", "leadnr", "leadno", "leadnumber", "leadnummer",
     "recordnr", "recordno", "recordnumber")
)  # fmt: skip
# Of what brings a record: another one each time that the same record is brought.
_DELIVERIES = frozenset(("delivery", "webhook", "notification", "transport", "request", "attempt"))
_DELIVERY_IDS = frozenset(f"{delivery}id" for delivery in _DELIVERIES)
# Objects that are the record, also where the person stands beside them.
_RECORDS = frozenset(("submission", "response", "formresponse", "registration", "inquiry", "enquiry"))
# Lists of addresses of one person: whoever has them stands around them.
_ADDRESS_LISTS = frozenset(
    ("emails", "email", "mails", "emailaddresses", "emailaddress", "addresses", "contactpoints", "contactmethods")
)
_PEOPLE = frozenset(
    ("contact", "person", "lead", "customer", "subscriber", "member", "user", "profile", "attendee", "registrant",
     "participant", "invitee", "prospect", "respondent", "visitor", "client", "patient", "student")
)  # fmt: skip
_PERSONS_IDS = frozenset(f"{person}id" for person in _PEOPLE - {"lead"}) | {"accountid"}
# Objects that tell of something else than the person, unless the address of somebody stands in them.
_OF_FORMS = ("form", "definition", "survey", "quiz", "typeform", "template")
_OF_EVENTS = ("webinar", "event", "meeting", "session", "eventtype", "conference")
_OF_CAMPAIGNS = ("campaign", "utmcampaign")
_OF_AD_GROUPS = ("adset", "adgroup")
_OF_ADS = ("ad", "creative")
_OTHER_THINGS = frozenset(
    (*_OF_FORMS, *_OF_EVENTS, *_OF_CAMPAIGNS, *_OF_AD_GROUPS, *_OF_ADS, "page", "entry", "account", "list", "audience",
     "business", "app", "project", "workspace", "team", "subscription", "metadata", "site", "shop", "store")
)  # fmt: skip
# Of these, things that have an address of their own.
_WITH_ADDRESSES = frozenset(("account", "page", "business", "shop", "store", "site", "team", "workspace"))
# Of the sender's side: never the lead, whatever stands there.
_SENDERS = frozenset(
    ("host", "organizer", "organiser", "owner", "assignee", "agent", "creator", "createdby", "updatedby", "hosts",
     "accountowner", "salesrep", "speaker", "speakers", "panelists", "sender", "author", "operator")
)  # fmt: skip
_OF_COMPANIES = frozenset(("company", "organization", "organisation", "employer", "firm", "companyinfo"))
_IN_COMPANY = {
    "name": "company", "title": "company", "domain": "website", "website": "website", "url": "website",
    "industry": "industry", "size": "employee_count", "employees": "employee_count",
    "employeecount": "employee_count", "numberofemployees": "employee_count",
}  # fmt: skip
_IN_THINGS = {
    **{(thing, name): "form_id" for thing in _OF_FORMS for name in ("id", "key", "uuid")},
    **{(thing, name): "form_name" for thing in _OF_FORMS for name in ("name", "title")},
    **{(thing, name): "event_name" for thing in _OF_EVENTS for name in ("name", "title", "topic", "subject")},
    **{(thing, "id"): "campaign_id" for thing in _OF_CAMPAIGNS},
    **{(thing, name): "campaign_name" for thing in _OF_CAMPAIGNS for name in ("name", "title")},
    **{(thing, "id"): "ad_group_id" for thing in _OF_AD_GROUPS},
    **{(thing, "name"): "ad_group_name" for thing in _OF_AD_GROUPS},
    **{(thing, "id"): "ad_id" for thing in _OF_ADS},
    **{(thing, "name"): "ad_name" for thing in _OF_ADS},
    ("page", "url"): "page_url",
    ("page", "href"): "page_url",
}
_TOO_PLAIN = frozenset(("url", "page", "name", "title", "event", "form", "source", "campaign", "partner"))
_CONSENTS = frozenset(
    ("consent", "consents", "permissions", "gdpr", "rgpd", "lgpd", "legal", "optins", "marketingemail",
     "marketingconsent", "emailconsent", "smsconsent", "terms", "privacy", "consentimiento", "consentimento")
)  # fmt: skip
_UTM_OBJECTS = frozenset(
    ("utm", "utms", "utmparams", "utmparameters", "utmtags", "utmdata", "utmvalues", "utmtracking")
)
_IN_UTM = {
    "source": "utm_source", "medium": "utm_medium", "campaign": "utm_campaign", "campaignname": "utm_campaign",
    "name": "utm_campaign", "term": "utm_term", "keyword": "utm_term", "content": "utm_content", "id": "utm_id",
    "campaignid": "utm_id", "sourceplatform": "utm_source_platform", "creativeformat": "utm_creative_format",
    "marketingtactic": "utm_marketing_tactic",
}  # fmt: skip


def guess_field(path: str, value: Any, homes: Collection[str] = ()) -> str | None:
    """The canonical field (or `consent:PURPOSE`) that `path` most likely holds, or None.

    `homes` are the paths of objects that hold somebody's address. Empty values tell nothing against a name; a value of
    the wrong kind does.
    """
    if isinstance(value, dict):  # an empty one: it says nothing of what it may hold
        return None
    return _guess(path, value, homes)


def _guess(path: str, value: Any, homes: Collection[str]) -> str | None:
    *owners, name = _names(path)
    owner = owners[-1] if owners else ""
    if owner in _UTM_OBJECTS and name in _IN_UTM:
        return _IN_UTM[name]
    if BESIDE in owners or path == BESIDE or not _is_of_the_person(path, owners, homes):
        return _of_the_occasion(owner, name)
    if owner in _OF_COMPANIES:
        return _IN_COMPANY.get(name)
    if isinstance(value, bool) and (
        owner in _CONSENTS or name in _CONSENTS or name.startswith(("agree", "acept", "aceit"))
    ):
        return "consent:marketing"
    if is_submission_id(path):
        return "external_id" if name == "id" and owner in _PEOPLE else "submission_id"
    return _checked(path, _field_of(name) or ("external_id" if name in _RECORD_IDS else None), value)


def _checked(path: str, field: str | None, value: Any) -> str | None:
    if field is None and isinstance(value, str) and EMAIL.match(value):
        return "email"
    if field in {"email", "other_emails"} and isinstance(value, str) and value and not EMAIL.match(value):
        return None
    if field == "occurred_at" and not is_moment(path, value):
        return None
    if field == "consent:marketing" and isinstance(value, dict | list):
        return None
    return field


def homes_of(leaves: dict[str, Any]) -> frozenset[str]:
    """The paths of the objects, "" for the record itself, that hold an e-mail address, of all leaves of a record."""
    return frozenset(
        path.rpartition(".")[0]
        for path, value in leaves.items()
        if isinstance(value, str)
        and EMAIL.match(value)
        and not _SENDERS.intersection(_names(path)[:-1])
        and not path.startswith(BESIDE)
    )


def is_id(path: str) -> bool:
    """Whether a name says: an id of a record, of whatever it stands in."""
    name = _names(path)[-1]
    return name in _SUBMISSION_IDS or name in _RECORD_IDS or _field_of(name) in ("external_id", "submission_id")


def is_submission_id(path: str) -> bool:
    """Whether a name says: the id of one contact rather than of a person. `id` alone may be either."""
    name = _names(path)[-1]
    return name in _SUBMISSION_IDS or _field_of(name) == "submission_id"


def is_persons_id(path: str) -> bool:
    """Whether a name says: the id of a person, who may come again: `contact.id`, `customer_id`."""
    *owners, name = _names(path)
    return (name == "id" and bool(owners) and owners[-1] in _PEOPLE - {"lead"}) or name in _PERSONS_IDS


def is_of_a_form(path: str) -> bool:
    """Whether this stands in what a form says of itself: its questions, say."""
    return bool(set(_OF_FORMS).intersection(_names(path)[:-1]))


def is_of_the_record(path: str, homes: Collection[str]) -> bool:
    """Whether this stands at the top of the record, or around or beside somebody's address: not in a form, a page."""
    above = path.rpartition(".")[0]
    owners = _names(path)[:-1]
    if "[" in path or BESIDE in owners or (_SENDERS | _WITH_ADDRESSES).intersection(owners):
        return False
    is_of_many = any("[" in home and not _is_address_of_one(home) for home in homes)
    if not above:  # around a list of people stands the id of their batch
        return not is_of_many
    if owners[-1] in _RECORDS and len(owners) == 1 and not is_of_many:
        return True
    is_around = any(home == above or home.startswith(f"{above}.") for home in homes)
    return is_around and (above in homes or not _OTHER_THINGS.intersection(owners))


def is_of_a_delivery(path: str) -> bool:
    """Whether a name says: the id of what brought the record, which is another one when it is brought again."""
    *owners, name = _names(path)
    return name in _DELIVERY_IDS or (bool(_DELIVERIES.intersection(owners)) and name in _SUBMISSION_IDS)


def is_moment(path: str, value: Any) -> bool:
    """Whether a name and value say: when it happened."""
    if _field_of(_names(path)[-1]) != "occurred_at":
        return False
    if isinstance(value, int) and not isinstance(value, bool):
        return value > 1_000_000_000
    return isinstance(value, str) and as_moment(value) is not None


def as_moment(text: str) -> datetime | None:
    """A time as ISO 8601 writes it."""
    if not re.match(r"^\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _is_address_of_one(home: str) -> bool:
    """`contact.emails[0]`: an entry of a list of addresses that somebody has."""
    above, _, rest = home.partition("[")
    return rest.endswith("]") and "[" not in rest and _names(above)[-1] in _ADDRESS_LISTS


def _is_of_the_person(path: str, owners: list[str], homes: Collection[str]) -> bool:
    if _SENDERS.intersection(owners):
        return False
    return path.rpartition(".")[0] in homes or not _OTHER_THINGS.intersection(owners)


def _of_the_occasion(owner: str, name: str) -> str | None:
    """What a form, an event, an advertisement or the envelope says of where the lead came from; never of who it is."""
    known = _IN_THINGS.get((owner, name))
    if known is not None:
        return known
    field = _field_of(name)
    return field if field in TOUCH_FIELDS and name not in _TOO_PLAIN else None


def _field_of(name: str) -> str | None:
    known = titles().fields.get(name)
    return known[0] if known else _LIKELY.get(name) or _CANONICAL.get(name)


def _names(path: str) -> list[str]:
    """The keys of a path, folded; one at least."""
    steps = parse_path(path) if path else ("",)
    return [step if step == BESIDE else title_key(step) for step in steps if isinstance(step, str)] or [""]
