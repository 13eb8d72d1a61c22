"""Eventbrite posts the address of an order or an attendee, and nothing else; what stands there is read with a token."""

from typing import Any

from connectors import kit

_PLACEHOLDER = "Info Requested"  # of an attendee whose buyer was not asked yet


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """Without the words that stand where a name or an address is still to come."""
    profile = record.get("profile")
    if not isinstance(profile, dict):
        return record
    return {**record, "profile": {name: value for name, value in profile.items() if value != _PLACEHOLDER}}


_ORGANIZATION = kit.Option("organization", ("text", "integer"), help="its id; several with commas between")
_KIND = kit.Option("list", default="attendees", allowed=("attendees", "orders"), help="what the webhook tells of")
_LISTED = kit.Poll(
    url="https://www.eventbriteapi.com/v3/organizations/{organization}/{list}/",
    records_at="{list}",
    params={"changed_since": "{from}"},
    pages=kit.PageToken("continuation", at="pagination.continuation", more_at="pagination.has_more_items"),
    token=kit.Secret("EVENTBRITE_TOKEN"),
    rate_per_second=0.5,
)


def pushed(listed: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    action = "order.placed" if parents[0].get("list") == "orders" else "attendee.updated"
    return {"api_url": listed.get("resource_uri"), "config": {"action": action}}


CONNECTOR = kit.Connector(
    source="eventbrite",
    title="Eventbrite",
    owner="@afluente/sources",
    docs_url="https://www.eventbrite.com/platform/docs/webhooks",
    lane="bulk",
    intake=kit.Webhook(
        signature=kit.SharedSecret(kit.Secret("EVENTBRITE_SECRET")),
        fetch=kit.Fetch(
            url="{api_url}",
            hosts=("www.eventbriteapi.com",),
            params={"expand": "attendees"},
            token=kit.Secret("EVENTBRITE_TOKEN"),
            when={"config.action": ("order.placed", "order.updated", "attendee.updated", "attendee.checked_in")},
            rate_per_second=0.5,  # 2,000 calls an hour
        ),
        reconcile=kit.Reconcile(
            _LISTED, pushed, options=(_ORGANIZATION, _KIND), each="organization", listed_at="created"
        ),
        subscription=kit.Subscription(
            kit.Fetch(
                "https://www.eventbriteapi.com/v3/organizations/{organization}/webhooks/",
                options=(_ORGANIZATION,),
                token=kit.Secret("EVENTBRITE_TOKEN"),
                rate_per_second=0.5,
            ),
            records_at="webhooks",
            url_at="endpoint_url",
            each="organization",
        ),
    ),
    event_id="api_url",
    prepare=prepare,
)
