"""Statements of consent: what is posted to `/v1/consents`, and what is said here, by a preference link or by hand."""

from connectors.kit import Api, Connector

CONNECTOR = Connector(
    source="consents",
    title="Consents",
    owner="@afluente/sources",
    docs_url="https://www.iso.org/standard/80392.html",
    intake=Api(taken="consents"),
    event_id="statement_id",
    occurred_at="occurred_at",
)
