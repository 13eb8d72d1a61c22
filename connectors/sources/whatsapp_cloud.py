"""Meta posts what happens at a WhatsApp number: messages, receipts and other changes. The first message is the lead."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, VerifyToken, Webhook

_VALUE = "entry[*].changes[*].value"


def prepare(record: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    """`kind`: message, status of one of yours, or the field of another change; `contact`: of several people in a body,
    who wrote this.

    `record`: a conversation is known by who writes. The id of the business is asked for first, as a person who goes by
    a user name shows no number.
    """
    if isinstance(record.get("field"), str):
        entry = parents[0] if parents else {}
        at = entry.get("time")
        return {
            **record,
            "kind": record["field"],
            "record": f"{record['field']} {entry.get('id')} {at}" if at else None,
        }
    if "recipient_id" in record or "recipient_user_id" in record:
        status, user = record.get("status"), record.get("recipient_user_id") or record.get("recipient_id")
        return {**record, "kind": status or "status", "user": user, "record": f"{record.get('id')} {status}"}
    contacts = parents[0].get("contacts") if parents else None
    known = [contact for contact in contacts if isinstance(contact, dict)] if isinstance(contacts, list) else []
    pairs = (("wa_id", record.get("from")), ("user_id", record.get("from_user_id")))
    contact = next((who for who in known if any(value and who.get(key) == value for key, value in pairs)), {})
    user = contact.get("user_id") or record.get("from_user_id") or record.get("from")
    referral = record.get("referral")
    referral = referral if isinstance(referral, dict) else {}
    by_ad = referral.get("source_type") == "ad" or bool(referral.get("ctwa_clid"))
    touch = {"is_organic": None if by_ad else "true", "ad_id": referral.get("source_id") if by_ad else None}
    return {**record, **touch, "kind": "message", "contact": contact, "user": user, "record": f"conversation {user}"}


CONNECTOR = Connector(
    source="whatsapp_cloud",
    title="WhatsApp",
    owner="@afluente/sources",
    docs_url="https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview",
    intake=Webhook(
        records_at=(f"{_VALUE}.messages", f"{_VALUE}.statuses", "entry[*].changes[*]"),
        signature=HmacSha256(
            header="X-Hub-Signature-256", secret=Secret("WHATSAPP_CLOUD_APP_SECRET"), prefix="sha256="
        ),
        handshake=VerifyToken(Secret("WHATSAPP_CLOUD_VERIFY_TOKEN")),
    ),
    event_id="record",
    occurred_at="timestamp",
    contact_at=("referral.ctwa_clid", "referral.source_id"),
    revisions="first",
    prepare=prepare,
)
