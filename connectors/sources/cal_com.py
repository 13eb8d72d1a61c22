"""Cal.com posts `{"triggerEvent", "createdAt", "payload": {…}}`; an admin may have given the body another shape."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook

_LEADS = ("BOOKING_CREATED", "BOOKING_REQUESTED")  # a request that is confirmed is created: the same booking


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`responses` as {name: value}, without their labels, and `record`: what the delivery is about."""
    payload = record.get("payload")
    if not isinstance(payload, dict):
        return record
    for name in ("responses", "userFieldsResponses"):
        if isinstance(answers := payload.get(name), dict):
            payload[name] = {
                key: answer.get("value") if isinstance(answer, dict) else answer for key, answer in answers.items()
            }
    trigger, uid, at = record.get("triggerEvent"), payload.get("uid"), record.get("createdAt")
    if uid:
        record["record"] = str(uid) if trigger in _LEADS else f"{trigger} {uid} {at}"
    return record


CONNECTOR = Connector(
    source="cal_com",
    title="Cal.com",
    owner="@afluente/sources",
    docs_url="https://cal.com/docs/developing/guides/automation/webhooks",
    intake=Webhook(signature=HmacSha256(header="X-Cal-Signature-256", secret=Secret("CAL_COM_SECRET"))),
    event_id="record",
    occurred_at="createdAt",
    revised_at="createdAt",
    prepare=prepare,
)
