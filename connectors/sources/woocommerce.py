"""WooCommerce posts customers and orders as its REST API shows them; a new hook first sends `webhook_id=…` unsigned."""

from typing import Any

from connectors.kit import Connector, FormPing, HmacSha256, Secret, Webhook


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`resource`: order, customer or other, with `record` as its id, as orders and customers are numbered alike.

    `customer`: whose account it is. A guest's order says 0, and a customer's own id stands under `id`.
    """
    resource = "order" if "order_key" in record else "customer" if "is_paying_customer" in record else "other"
    record["resource"] = resource
    record["customer"] = (record.get("id") if resource == "customer" else record.get("customer_id")) or None
    if record.get("id"):
        record["record"] = f"{resource} {record['id']}"
    return record


CONNECTOR = Connector(
    source="woocommerce",
    title="WooCommerce",
    owner="@afluente/sources",
    docs_url="https://woocommerce.com/document/webhooks/",
    intake=Webhook(
        signature=HmacSha256(header="X-WC-Webhook-Signature", secret=Secret("WOOCOMMERCE_SECRET"), encoding="base64"),
        handshake=FormPing("webhook_id"),
        max_body_bytes=4_194_304,  # an order of many lines
    ),
    lane="bulk",
    event_id="record",
    occurred_at="date_created_gmt",
    revised_at="date_modified_gmt",
    prepare=prepare,
)
