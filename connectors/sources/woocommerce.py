"""WooCommerce posts customers and orders as its REST API shows them; a new hook first sends `webhook_id=…` unsigned."""

from typing import Any

from connectors import kit
from connectors.kit import Secret


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`resource`: order, customer or other, with `record` as its id, as orders and customers are numbered alike.

    `customer`: whose account it is. A guest's order says 0, and a customer's own id stands under `id`.
    """
    resource = "order" if "order_key" in record else "customer" if "is_paying_customer" in record else "other"
    record["resource"] = resource
    record["customer"] = (record.get("id") if resource == "customer" else record.get("customer_id")) or None
    if record.get("id") and isinstance(record["id"], str | int):
        record["record"] = f"{resource} {record['id']}"
    return record


_LISTED = kit.Poll(
    url="https://your-shop.example/wp-json/wc/v3/orders",
    params={"after": "{from}", "before": "{to}", "dates_are_gmt": "true", "order": "asc"},
    pages=kit.PageNumber(size_param="per_page", size=100),
    auth=kit.Basic(Secret("WOOCOMMERCE_KEY"), Secret("WOOCOMMERCE_KEY_SECRET")),
    rate_per_second=2,  # it is somebody's shop
)


def pushed(order: dict[str, Any]) -> dict[str, Any]:
    """It is posted as it is listed."""
    return order


CONNECTOR = kit.Connector(
    source="woocommerce",
    title="WooCommerce",
    owner="@afluente/sources",
    docs_url="https://woocommerce.com/document/webhooks/",
    intake=kit.Webhook(
        signature=kit.HmacSha256(
            header="X-WC-Webhook-Signature", secret=Secret("WOOCOMMERCE_SECRET"), encoding="base64"
        ),
        handshake=kit.FormPing("webhook_id"),
        max_body_bytes=4_194_304,  # an order of many lines
        # WordPress turns a time that names its zone into the shop's own clock, and compares that with UTC.
        reconcile=kit.Reconcile(_LISTED, pushed, written="iso_naive", needs_address="https://shop.acme.com"),
    ),
    lane="bulk",
    event_id="record",
    occurred_at="date_created_gmt",
    revised_at="date_modified_gmt",
    prepare=prepare,
)
