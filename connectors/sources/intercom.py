"""Intercom posts `{"topic", "data": {"item": {…}}}` for each thing that happens; a new contact is the lead."""

from typing import Any

from connectors import kit
from connectors.kit import Secret, get_path
from connectors.kit.times import parse_time

_ABOUT_CONTACTS = (
    "contact.created",
    "contact.lead.created",
    "contact.user.created",
    "contact.lead.added_email",
    "contact.lead.signed_up",
    "contact.email.updated",
    "contact.unsubscribed",
)


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`record`: the contact, which later topics revise; what is about no contact goes by its own id. `said`: that mail
    is not wanted, where that is what happened."""
    topic, contact_id = record.get("topic"), get_path(record, "data.item.id")
    is_known = topic in _ABOUT_CONTACTS and isinstance(contact_id, str) and contact_id
    said = "unsubscribed" if topic == "contact.unsubscribed" else None
    return {**record, "record": f"contact {contact_id}" if is_known else record.get("id"), "said": said}


# Intercom compares days: an end of today would leave out all of today, so none is named.
_WINDOW = [{"field": "created_at", "operator": ">", "value": "{from:number}"}]
_ROLES = kit.Option("roles", default="lead", allowed=("lead", "user", "lead,user"), help="whom the topics tell of")
_VERSION = kit.Option("version", default="2.11", help="of the API")
_LISTED = kit.Poll(
    url="https://api.intercom.io/contacts/search",
    method="POST",
    records_at="data",
    headers={"Intercom-Version": "{version}"},
    body={
        "query": {"operator": "AND", "value": _WINDOW},
        "pagination": {"per_page": 150, "starting_after": "{starting_after}"},
    },
    pages=kit.PageToken("starting_after", at="pages.next.starting_after"),
    token=Secret("INTERCOM_TOKEN"),
)


def pushed(contact: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any] | None:
    """None for a contact of a role that the topics do not tell of."""
    role, made_at = contact.get("role"), parse_time(contact.get("created_at"))
    if role not in str(parents[-1].get("roles") or "lead").split(","):
        return None
    return {
        "topic": f"contact.{role}.created",
        "created_at": None if made_at is None else int(made_at.timestamp()),
        "data": {"item": contact},
    }


CONNECTOR = kit.Connector(
    source="intercom",
    title="Intercom",
    owner="@afluente/sources",
    docs_url="https://developers.intercom.com/docs/webhooks",
    intake=kit.Webhook(
        signature=kit.HmacSha256(
            header="X-Hub-Signature", secret=Secret("INTERCOM_CLIENT_SECRET"), prefix="sha1=", algorithm="sha1"
        ),
        reconcile=kit.Reconcile(_LISTED, pushed, written="unix", options=(_VERSION, _ROLES)),
    ),
    event_id="record",
    occurred_at="created_at",
    revised_at="data.item.updated_at",
    prepare=prepare,
)
