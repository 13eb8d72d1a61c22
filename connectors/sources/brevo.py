"""Brevo posts what happens to contacts and mails. Somebody added to a list is the lead; who unsubscribes says no."""

from typing import Any

from connectors.kit import Connector, Secret, SharedSecret, Webhook

_OF_CONTACTS = ("list_addition", "unsubscribe", "unsubscribed", "spam")


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`address`: some events have a list of one. `record`: the contact, so who unsubscribes revises what was said on
    joining; other events go by what happened when. `joined`: the list. `said`: a no; being on a list is no yes."""
    event, email, lists = record.get("event"), record.get("email"), record.get("list_id")
    email = email[0] if isinstance(email, list) and email else email
    at = record.get("ts_event") or record.get("ts")
    joined = lists[0] if isinstance(lists, list) and lists else lists
    said = event if event != "list_addition" else None
    of_contact = event in _OF_CONTACTS and isinstance(email, str)
    key = f"contact {str(email).strip().lower()}" if of_contact else f"{event} {record.get('id')} {at} {email}"
    return {**record, "address": email, "at": at, "joined": joined, "said": said, "record": key}


CONNECTOR = Connector(
    source="brevo",
    title="Brevo",
    owner="@afluente/sources",
    docs_url="https://developers.brevo.com/docs/marketing-webhooks",
    intake=Webhook(signature=SharedSecret(Secret("BREVO_SECRET"))),
    lane="bulk",
    event_id="record",
    occurred_at="at",
    revised_at="at",
    prepare=prepare,
)
