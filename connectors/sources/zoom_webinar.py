"""Zoom posts `{"event", "event_ts", "payload": {"object": {…}}}`; a registration for a webinar is the lead."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook, ZoomValidation


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`record`: what happened to whom at which webinar. A registrant's id alone may come back at the next one."""
    payload = record.get("payload")
    webinar = payload.get("object") if isinstance(payload, dict) else None
    if not isinstance(webinar, dict):
        return record
    registrant, participant = (webinar.get(key) or {} for key in ("registrant", "participant"))
    who: list[Any] = [registrant.get("id")] if isinstance(registrant, dict) else []
    if isinstance(participant, dict):  # who comes in several times is told several times
        who += [participant.get(key) for key in ("user_id", "id", "join_time", "leave_time")]
    if any(who):
        named = [record.get("event"), webinar.get("uuid") or webinar.get("id"), *who]
        record["record"] = " ".join(str(part) for part in named if part)
    return record


CONNECTOR = Connector(
    source="zoom_webinar",
    title="Zoom webinar",
    owner="@afluente/sources",
    docs_url="https://developers.zoom.us/docs/api/webhooks/",
    intake=Webhook(
        signature=HmacSha256(
            header="x-zm-signature",
            secret=Secret("ZOOM_WEBINAR_SECRET_TOKEN"),
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp_header="x-zm-request-timestamp",
            tolerance_seconds=300,
        ),
        handshake=ZoomValidation(Secret("ZOOM_WEBINAR_SECRET_TOKEN")),
    ),
    lane="bulk",  # a webinar has guests by the thousand
    event_id="record",
    occurred_at="event_ts",
    prepare=prepare,
)
