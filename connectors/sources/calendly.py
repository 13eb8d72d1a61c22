"""Calendly posts `{"event", "created_at", "payload": {…}}` for each booking, cancellation and routing form.

A reschedule is a cancellation and a booking that names the one before it: not a second lead, and not canceled.
"""

from typing import Any

from connectors import kit
from connectors.kit import Secret

_BOOKED, _CANCELED = "invitee.created", "invitee.canceled"


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`happened`: the event, told apart where a booking was canceled to be moved.

    Bookings of one kind of meeting by one person are one record, in which each that is no reschedule is a contact.

    Calendly names only the booking just before, so a chain of reschedules cannot be followed by its ids.
    """
    payload = record.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    email, meeting = payload.get("email"), payload.get("scheduled_event")
    kind = meeting.get("event_type") if isinstance(meeting, dict) else None
    if record.get("event") == _BOOKED and isinstance(email, str) and isinstance(kind, str):
        contact = None if payload.get("old_invitee") else payload.get("uri")
        return {**record, "happened": _BOOKED, "record": f"{email.strip().lower()} {kind}", "contact": contact}
    is_moved = record.get("event") == _CANCELED and payload.get("rescheduled") is True
    happened = "invitee.rescheduled" if is_moved else record.get("event")
    uri = payload.get("uri")
    own_id = f"{record.get('event')} {uri}" if isinstance(uri, str) and uri else None
    return {**record, "happened": happened, "record": own_id}


_TOKEN = Secret("CALENDLY_TOKEN")
_ORGANIZATION = kit.Option("organization", help="the address of your organization, as Calendly's API names it")
_PAGES = kit.PageToken("page_token", at="pagination.next_page_token")
_INVITEES = kit.Poll(
    url="https://api.calendly.com/scheduled_events",
    records_at="collection",
    pages=_PAGES,
    token=_TOKEN,
    streams=(
        kit.Stream(
            "invitees",
            url="{parent}/invitees",
            params={"count": "100"},
            # Listed by when they take place: what was booked since then takes place since then.
            parent=kit.Parent(
                "/scheduled_events",
                records_at="collection",
                id_at="uri",
                pages=_PAGES,
                params={"organization": "{organization}", "min_start_time": "{from}", "count": "100"},
                most=5_000,
            ),
        ),
    ),
)


def pushed(invitee: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    payload = {**invitee, "scheduled_event": parents[0]}
    return {"event": _BOOKED, "created_at": invitee.get("created_at"), "payload": payload}


CONNECTOR = kit.Connector(
    source="calendly",
    title="Calendly",
    owner="@afluente/sources",
    docs_url="https://developer.calendly.com/api-docs",
    intake=kit.Webhook(
        signature=kit.HmacSha256(
            header="Calendly-Webhook-Signature",
            secret=Secret("CALENDLY_SIGNING_KEY"),
            signed="{timestamp}.{body}",
            timestamp_part="t",
            signature_part="v1",
            tolerance_seconds=180,
        ),
        reconcile=kit.Reconcile(_INVITEES, pushed, options=(_ORGANIZATION,)),
        subscription=kit.Subscription(
            kit.Fetch(
                "https://api.calendly.com/webhook_subscriptions",
                params={"organization": "{organization}", "scope": "organization", "count": "100"},
                options=(_ORGANIZATION,),
                token=_TOKEN,
            ),
            records_at="collection",
            url_at="callback_url",
            active_at="state",
            active=("active",),
        ),
    ),
    event_id="record",
    occurred_at="created_at",
    contact_at=("contact",),
    revisions="add",
    prepare=prepare,
)
