"""Any sender that signs as Standard Webhooks 1.0.0 does (Svix too): `{"type", "timestamp", "data": {…}}`."""

from connectors.kit import Connector, Secret, StandardWebhooks, Webhook

CONNECTOR = Connector(
    source="standard_webhooks",
    title="Standard Webhooks",
    owner="@afluente/sources",
    docs_url="https://www.standardwebhooks.com/",
    intake=Webhook(
        signature=StandardWebhooks(secret=Secret("STANDARD_WEBHOOKS_SECRET")),
        idempotency_header="webhook-id",
    ),
    occurred_at="timestamp",
)
