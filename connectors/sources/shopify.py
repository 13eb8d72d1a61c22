"""Shopify posts new customers and orders; which of both a body is says its `admin_graphql_api_id`."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook

_PRIVACY = {"data_request": "data_request", "orders_to_redact": "redact"}
_ANSWERS = ("subscribed", "unsubscribed")  # other states are no answer: never asked, or not confirmed yet


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`resource`: `Order`, `Customer`, …, with `record` as its id. A consent that nobody gave or refused is left out.

    What Shopify asks about privacy (`customers/redact`, …) has no such id, and is known by what it is about.
    """
    name = record.get("admin_graphql_api_id")
    if isinstance(name, str) and name:
        record["resource"], record["record"] = name.split("/")[-2] if name.count("/") > 1 else name, name
    else:
        asked = next((topic for key, topic in _PRIVACY.items() if key in record), "privacy")
        record["resource"] = asked if record.get("shop_domain") else "other"
    customer = record.get("customer")
    if record["resource"] == "Customer":
        record["customer_id"] = record.get("id")
    elif isinstance(customer, dict):
        record["customer_id"] = customer.get("id")
    for person in (record, customer if isinstance(customer, dict) else {}):
        for consent in ("email_marketing_consent", "sms_marketing_consent"):
            said = person.get(consent)
            if isinstance(said, dict) and said.get("state") not in _ANSWERS:
                person[consent] = None
    return record


CONNECTOR = Connector(
    source="shopify",
    title="Shopify",
    owner="@afluente/sources",
    docs_url="https://shopify.dev/docs/apps/build/webhooks",
    intake=Webhook(
        signature=HmacSha256(header="X-Shopify-Hmac-SHA256", secret=Secret("SHOPIFY_SECRET"), encoding="base64"),
        max_body_bytes=4_194_304,  # an order of many lines
    ),
    lane="bulk",
    event_id="record",
    occurred_at="created_at",
    revised_at="updated_at",
    prepare=prepare,
)
