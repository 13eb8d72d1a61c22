"""Leads that directories and colleagues send by mail, read by a template for each supplier: docs/leads-by-mail.md."""

from connectors.kit import Connector, Mailbox, Secret

CONNECTOR = Connector(
    source="directory_mailbox",
    title="Leads by mail",
    owner="@afluente/sources",
    docs_url="https://datatracker.ietf.org/doc/html/rfc3501",
    intake=Mailbox(token=Secret("DIRECTORY_MAILBOX_PASSWORD")),
    event_id="number",
    occurred_at="sent_at",
)
