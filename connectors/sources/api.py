"""Leads posted to `/v1/leads` with an API key, in canonical fields."""

from connectors.kit import Api, Connector

CONNECTOR = Connector(
    source="api",
    title="HTTP API",
    owner="@afluente/sources",
    docs_url="https://github.com/OAI/OpenAPI-Specification",
    intake=Api(),
    event_id="external_id",
    occurred_at="occurred_at",
    contact_at=("submission_id", "occurred_at"),
)
