"""Cal.com posts `{"triggerEvent", "createdAt", "payload": {…}}`; an admin may have given the body another shape."""

from typing import Any

from connectors import kit
from connectors.kit import Secret, entries_at, get_path

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
    if uid and isinstance(uid, str | int):
        record["record"] = str(uid) if trigger in _LEADS else f"{trigger} {uid} {at}"
    return record


_VERSION = kit.Option("version", default="2024-08-13", help="of the API, a date")
_LISTED = kit.Poll(
    url="https://api.cal.com/v2/bookings",
    records_at="data",
    params={"afterCreatedAt": "{from}", "beforeCreatedAt": "{to}"},
    headers={"cal-api-version": "{version}"},
    pages=kit.Offset(param="skip", size_param="take", size=100, more_at="pagination.hasNextPage"),
    token=Secret("CAL_COM_TOKEN"),
    rate_per_second=1,  # 120 a minute
)
_SAME = ("uid", "title", "description", "location", "metadata")


def pushed(booking: dict[str, Any]) -> dict[str, Any] | None:
    """None for one that moved another: that is posted as no new booking."""
    if booking.get("rescheduledFromUid"):
        return None
    answers, attendees = booking.get("bookingFieldsResponses"), entries_at(booking, "attendees")
    status = str(booking.get("status") or "").upper()
    payload = {
        **{name: booking.get(name) for name in _SAME},
        "bookingId": booking.get("id"),
        "eventTypeId": booking.get("eventTypeId") or get_path(booking, "eventType.id"),
        "startTime": booking.get("start"),
        "endTime": booking.get("end"),
        "status": status or None,
        "attendees": [{**attendee, "language": {"locale": attendee.get("language")}} for attendee in attendees],
        "responses": answers if isinstance(answers, dict) else {},
    }
    trigger = _LEADS[1] if status == "PENDING" else _LEADS[0]
    return {"triggerEvent": trigger, "createdAt": booking.get("createdAt"), "payload": payload}


CONNECTOR = kit.Connector(
    source="cal_com",
    title="Cal.com",
    owner="@afluente/sources",
    docs_url="https://cal.com/docs/developing/guides/automation/webhooks",
    intake=kit.Webhook(
        signature=kit.HmacSha256(header="X-Cal-Signature-256", secret=Secret("CAL_COM_SECRET")),
        reconcile=kit.Reconcile(_LISTED, pushed, options=(_VERSION,)),
    ),
    event_id="record",
    occurred_at="createdAt",
    revised_at="createdAt",
    prepare=prepare,
)
