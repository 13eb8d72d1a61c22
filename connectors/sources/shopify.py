"""Shopify posts new customers and orders; which of both a body is says its `admin_graphql_api_id`."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook

_CONSENTS = ("email_marketing_consent", "sms_marketing_consent")
# What a body without that id is about, by a key that only it has.
_TOPICS = {"data_request": "data_request", "orders_to_redact": "redact", **dict.fromkeys(_CONSENTS, "consent")}
_ANSWERS = ("subscribed", "unsubscribed")  # other states are no answer: never asked, or not confirmed yet


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`resource`: `Order`, `Customer`, …, with `record` as its id. A consent that nobody gave or refused is left out.

    What Shopify asks about privacy (`customers/redact`, …) and a consent that changed have no such id: they are known
    by whom they are about, and by what.
    """
    name, customer = record.get("admin_graphql_api_id"), record.get("customer")
    customer = customer if isinstance(customer, dict) else {}
    if isinstance(name, str) and name:
        record["resource"], record["record"] = name.split("/")[-2] if name.count("/") > 1 else name, name
    else:
        record["resource"] = topic = next((_TOPICS[key] for key in _TOPICS if key in record), "other")
        about = [customer.get("id") or record.get("customer_id") or record.get("id"), record.get("data_request")]
        said = [part.get("consent_updated_at") for key in _CONSENTS if isinstance(part := record.get(key), dict)]
        if topic != "other" and about[0]:
            record["record"] = " ".join(str(part) for part in (topic, *about, *said) if part)
    if record["resource"] == "Customer":
        record["customer_id"] = record.get("id")
    elif customer:
        record["customer_id"] = customer.get("id")
    for person in (record, customer):
        for consent in _CONSENTS:
            said_now = person.get(consent)
            if isinstance(said_now, dict) and said_now.get("state") not in _ANSWERS:
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
