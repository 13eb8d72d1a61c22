"""Klaviyo posts up to 1,000 events in a body. Who subscribes is the lead; who unsubscribes says no."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook, get_path

_SAID = {
    "event:klaviyo.subscribed_to_email_marketing": {"email_consent": "subscribed"},
    "event:klaviyo.unsubscribed_from_email_marketing": {"email_consent": "unsubscribed"},
    "event:klaviyo.manually_suppressed_from_email_marketing": {"email_consent": "unsubscribed"},
    "event:klaviyo.marked_email_as_spam": {"email_consent": "unsubscribed"},
    "event:klaviyo.subscribed_to_sms_marketing": {"sms_consent": "subscribed"},
    "event:klaviyo.unsubscribed_from_sms_marketing": {"sms_consent": "unsubscribed"},
}


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`kind`: consent, or the topic. `record`: what a profile says by e-mail or by SMS, which what it says later
    revises; other events go by their own id."""
    topic, profile = record.get("topic"), get_path(record, "payload.data.relationships.profile.data.id")
    said = _SAID.get(topic) if isinstance(topic, str) else None
    own = record.get("external_id")
    if said is None:
        return {**record, "kind": topic or "other", "record": own}
    key = f"{next(iter(said))} {profile}" if isinstance(profile, str) else own
    return {**record, **said, "kind": "consent", "record": key}


CONNECTOR = Connector(
    source="klaviyo",
    title="Klaviyo",
    owner="@afluente/sources",
    docs_url="https://developers.klaviyo.com/en/docs/working_with_system_webhooks",
    intake=Webhook(
        records_at=("data[*]", ""),
        signature=HmacSha256(
            header="Klaviyo-Signature",
            secret=Secret("KLAVIYO_SECRET"),
            signed="{body}{timestamp}",
            timestamp_header="Klaviyo-Timestamp",
        ),
        max_body_bytes=16_777_216,  # 1,000 events, each with its profile
    ),
    lane="bulk",
    event_id="record",
    occurred_at="payload.data.attributes.timestamp",
    revised_at="payload.data.attributes.timestamp",
    prepare=prepare,
)
