"""Eventbrite posts the address of an order or an attendee, and nothing else; what stands there is read with a token."""

from typing import Any

from connectors.kit import Connector, Fetch, Secret, SharedSecret, Webhook

_PLACEHOLDER = "Info Requested"  # of an attendee whose buyer was not asked yet


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """Without the words that stand where a name or an address is still to come."""
    profile = record.get("profile")
    if not isinstance(profile, dict):
        return record
    return {**record, "profile": {name: value for name, value in profile.items() if value != _PLACEHOLDER}}


CONNECTOR = Connector(
    source="eventbrite",
    title="Eventbrite",
    owner="@afluente/sources",
    docs_url="https://www.eventbrite.com/platform/docs/webhooks",
    lane="bulk",
    intake=Webhook(
        signature=SharedSecret(Secret("EVENTBRITE_SECRET")),
        fetch=Fetch(
            url="{api_url}",
            hosts=("www.eventbriteapi.com",),
            params={"expand": "attendees"},
            token=Secret("EVENTBRITE_TOKEN"),
            when={"config.action": ("order.placed", "order.updated", "attendee.updated", "attendee.checked_in")},
            rate_per_second=0.5,  # 2,000 calls an hour
        ),
    ),
    event_id="api_url",
    prepare=prepare,
)
