"""Zendesk posts events of its own shape, and whatever JSON an admin writes into a trigger: ours is in the docs."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook, get_path

_USER_CREATED = "zen:event-type:user.created"


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`kind`: ticket, user (a new one who is no agent), or the event's type. A body of another shape has none."""
    if record.get("ticket_id"):
        return {**record, "kind": "ticket", "record": f"ticket {record['ticket_id']}"}
    is_person = record.get("type") == _USER_CREATED and get_path(record, "detail.role") == "end-user"
    return {**record, "kind": "user" if is_person else record.get("type"), "record": record.get("id")}


CONNECTOR = Connector(
    source="zendesk",
    title="Zendesk",
    owner="@afluente/sources",
    docs_url="https://developer.zendesk.com/documentation/webhooks/",
    intake=Webhook(
        formats=("json", "form"),
        signature=HmacSha256(
            header="X-Zendesk-Webhook-Signature",
            secret=Secret("ZENDESK_SIGNING_SECRET"),
            encoding="base64",
            signed="{timestamp}{body}",
            timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
            timestamp_unit="iso",
        ),
    ),
    event_id="record",
    prepare=prepare,
)
