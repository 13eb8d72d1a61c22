"""A workflow of HubSpot posts the contact that filled in a form or booked a meeting, when its webhook action runs."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook, entries_at, get_path


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`contact`: properties by name, whether HubSpot sends all of them (`{"properties": {"email": {"value": …}}}`) or
    those that somebody chose. `form`: the submission that came last. `record`: that submission or meeting."""
    properties = record.get("properties")
    contact = properties if isinstance(properties, dict) else record
    contact = {name: value.get("value") if isinstance(value, dict) else value for name, value in contact.items()}
    forms = [form for form in entries_at(record, "form-submissions") if isinstance(form.get("timestamp"), int | float)]
    form = max(forms, key=lambda form: form["timestamp"], default={})
    who = record.get("vid") or contact.get("hs_object_id")
    what = form.get("conversion-id") or contact.get("recent_conversion_date")
    what = what or contact.get("engagements_last_meeting_booked")
    key = f"{who} {what}" if who and what else None
    opted_out = "opted out" if str(contact.get("hs_email_optout")).lower() == "true" else None
    company = get_path(record, "associated-company.properties.name.value") or contact.get("company")
    return {"contact": contact, "form": form, "id": who, "record": key, "consent": opted_out, "company": company}


CONNECTOR = Connector(
    source="hubspot_workflow",
    title="HubSpot workflow",
    owner="@afluente/sources",
    docs_url="https://knowledge.hubspot.com/workflows/how-do-i-use-webhooks-with-hubspot-workflows",
    intake=Webhook(
        signature=HmacSha256(
            header="X-HubSpot-Signature-v3",
            secret=Secret("HUBSPOT_WORKFLOW_CLIENT_SECRET"),
            encoding="base64",
            signed="{method}{uri}{body}{timestamp}",
            timestamp_header="X-HubSpot-Request-Timestamp",
            timestamp_unit="milliseconds",
            tolerance_seconds=300,
        ),
        max_body_bytes=4_194_304,  # all properties with their history
    ),
    event_id="record",
    prepare=prepare,
)
