"""Intercom posts `{"topic", "data": {"item": {…}}}` for each thing that happens; a new contact is the lead."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook, get_path

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


CONNECTOR = Connector(
    source="intercom",
    title="Intercom",
    owner="@afluente/sources",
    docs_url="https://developers.intercom.com/docs/webhooks",
    intake=Webhook(
        signature=HmacSha256(
            header="X-Hub-Signature", secret=Secret("INTERCOM_CLIENT_SECRET"), prefix="sha1=", algorithm="sha1"
        ),
    ),
    event_id="record",
    occurred_at="created_at",
    revised_at="data.item.updated_at",
    prepare=prepare,
)
