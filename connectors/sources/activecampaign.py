"""ActiveCampaign posts a form for each event of a contact, and one without `type` from the webhook of an automation."""

from typing import Any

from connectors.kit import Connector, Secret, SharedSecret, Webhook


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`kind`: the event's type, or automation. `record`: somebody on a list or in an automation; who leaves the list
    revises what was said on joining. `said`: what they said themselves: an admin's hand on a list is no consent."""
    kind = record.get("type") or ("automation" if record.get("seriesid") else None)
    contact, group = record.get("contact[id]"), record.get("list") or record.get("seriesid")
    if kind == "automation":
        return {**record, "kind": kind, "record": contact and f"automation {group} {contact}"}
    if kind in ("subscribe", "unsubscribe"):
        said = kind if kind == "unsubscribe" or record.get("initiated_from") == "public" else None
        return {**record, "kind": kind, "said": said, "record": contact and f"list {group} {contact}"}
    return {**record, "kind": kind, "record": f"{kind} {contact} {record.get('date_time')}"}


CONNECTOR = Connector(
    source="activecampaign",
    title="ActiveCampaign",
    owner="@afluente/sources",
    docs_url="https://developers.activecampaign.com/page/webhooks",
    intake=Webhook(formats=("form",), signature=SharedSecret(Secret("ACTIVECAMPAIGN_SECRET"))),
    lane="bulk",
    event_id="record",
    occurred_at="date_time",
    revised_at="date_time",
    prepare=prepare,
)
