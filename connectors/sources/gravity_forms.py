"""Gravity Forms posts an entry by its Webhooks Add-On, with a bearer in a request header of the feed."""

from typing import Any
from urllib.parse import urlsplit

from connectors.kit import Connector, Secret, SharedSecret, Webhook


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`entry`: the entry's number within its site and form, as several sites may post here."""
    page, entry_id = record.get("source_url"), record.get("id")
    if not isinstance(entry_id, str | int) or isinstance(entry_id, bool) or not str(entry_id).strip():
        return record
    try:
        site = urlsplit(page).hostname if isinstance(page, str) else None
    except ValueError:  # brackets that are no address
        site = None
    return {**record, "entry": f"{site or ''}/{record.get('form_id') or ''}/{entry_id}"}


CONNECTOR = Connector(
    source="gravity_forms",
    title="Gravity Forms",
    owner="@afluente/sources",
    docs_url="https://docs.gravityforms.com/triggering-webhooks-form-submissions/",
    intake=Webhook(
        signature=SharedSecret(Secret("GRAVITY_FORMS_SECRET")),
        formats=("json", "form"),
    ),
    event_id="entry",
    occurred_at="date_created",
    prepare=prepare,
)
