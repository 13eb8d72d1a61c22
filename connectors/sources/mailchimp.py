"""Mailchimp posts a form for each change of an audience, signs nothing, and first greets the address with a GET."""

from typing import Any

from connectors.kit import Connector, Greeting, Secret, SharedSecret, Webhook

_OF_MEMBERS = ("subscribe", "unsubscribe", "cleaned")


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`record`: somebody in an audience, known by the address, as what is cleaned has no other id. Who leaves revises
    what was said on joining; what is about no member goes by what happened when."""
    kind, email, audience = (record.get(key) for key in ("type", "data[email]", "data[list_id]"))
    if kind in _OF_MEMBERS and isinstance(email, str):
        return {**record, "record": f"{audience} {email.strip().lower()}"}
    named = (kind, audience, record.get("data[id]") or record.get("data[new_id]"), record.get("fired_at"))
    return {**record, "record": " ".join(str(part) for part in named if part)}


CONNECTOR = Connector(
    source="mailchimp",
    title="Mailchimp",
    owner="@afluente/sources",
    docs_url="https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/",
    intake=Webhook(
        formats=("form",),
        signature=SharedSecret(Secret("MAILCHIMP_SECRET")),
        handshake=Greeting(),
    ),
    lane="bulk",
    event_id="record",
    occurred_at="fired_at",
    revised_at="fired_at",
    prepare=prepare,
)
