"""Zoom posts `{"event", "event_ts", "payload": {"object": {…}}}`; a registration for a webinar is the lead."""

from typing import Any

from connectors import kit
from connectors.kit import Secret
from connectors.kit.times import parse_time

_REGISTERED = "webinar.registration_created"
_SECRET = Secret("ZOOM_WEBINAR_SECRET_TOKEN")


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`record`: what happened to whom at which webinar. A registrant's id alone may come back at the next one.

    Who registers is known by the webinar's number: its `uuid` is another one as soon as it was held.
    """
    payload = record.get("payload")
    webinar = payload.get("object") if isinstance(payload, dict) else None
    if not isinstance(webinar, dict):
        return record
    registrant, participant = (webinar.get(key) or {} for key in ("registrant", "participant"))
    who: list[Any] = [registrant.get("id")] if isinstance(registrant, dict) else []
    if isinstance(participant, dict):  # who comes in several times is told several times
        who += [participant.get(key) for key in ("user_id", "id", "join_time", "leave_time")]
    who = [part for part in who if isinstance(part, str | int)]
    if any(who):
        names = ("id", "uuid") if record.get("event") == _REGISTERED else ("uuid", "id")
        named = [record.get("event"), webinar.get(names[0]) or webinar.get(names[1]), *who]
        record["record"] = " ".join(str(part) for part in named if part)
    return record


_USER = kit.Option("user", default="me", help="the id of the host whose webinars are read; several with commas between")
_STATUS = kit.Option("status", default="approved", allowed=("approved", "pending", "denied"), help="of a registration")
_PAGES = kit.PageToken("next_page_token", at="next_page_token")
_REGISTRANTS = kit.Poll(
    url="https://api.zoom.us/v2",
    records_at="registrants",
    pages=_PAGES,
    token=Secret("ZOOM_WEBINAR_TOKEN"),
    auth=kit.OAuthCode(
        "https://zoom.us/oauth/authorize",
        "https://zoom.us/oauth/token",
        Secret("ZOOM_WEBINAR_CLIENT_ID"),
        Secret("ZOOM_WEBINAR_CLIENT_SECRET"),
        client_auth="basic",
    ),
    code_at="code",
    codes={404: "gone"},  # registration is not enabled: told with status 400 or 404
    streams=(
        kit.Stream(
            "registrants",
            url="webinars/{parent}/registrants",
            params={"page_size": "300", "status": "{status}"},
            parent=kit.Parent(
                "users/{user}/webinars",
                "webinars",
                pages=_PAGES,
                params={"page_size": "300"},
                may_lack=True,  # one that nobody has to register for
            ),
        ),
    ),
)
_WEBINAR = ("id", "uuid", "host_id", "topic", "type", "start_time", "timezone", "duration")


def pushed(registrant: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    made_at = parse_time(registrant.pop("create_time", None))
    webinar = {name: parents[0][name] for name in _WEBINAR if name in parents[0]}
    webinar["id"] = str(webinar["id"]) if isinstance(webinar.get("id"), int) else webinar.get("id")  # as it is posted
    return {
        "event": _REGISTERED,
        "event_ts": None if made_at is None else round(made_at.timestamp() * 1000),
        "payload": {"object": {**webinar, "registrant": registrant}},
    }


CONNECTOR = kit.Connector(
    source="zoom_webinar",
    title="Zoom webinar",
    owner="@afluente/sources",
    docs_url="https://developers.zoom.us/docs/api/webhooks/",
    intake=kit.Webhook(
        signature=kit.HmacSha256(
            header="x-zm-signature",
            secret=_SECRET,
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp_header="x-zm-request-timestamp",
            tolerance_seconds=300,
        ),
        handshake=kit.ZoomValidation(_SECRET),
        reconcile=kit.Reconcile(_REGISTRANTS, pushed, options=(_USER, _STATUS), each="user", takes_time=False),
    ),
    lane="bulk",  # a webinar has guests by the thousand
    event_id="record",
    occurred_at="event_ts",
    prepare=prepare,
)
