"""Meta posts what happens in the inboxes of a Facebook page and an Instagram account. The first message is the lead."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, VerifyToken, Webhook, get_path

_SAID = ("message", "postback", "referral")


def prepare(record: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    """`kind`: message, echo (our own answer), or another; `referral`: the click that led here, wherever it stands.

    `record`: a conversation is known by who writes, and Meta gives each person an id of their own for each page.
    """
    user, event = get_path(record, "sender.id"), next((name for name in _SAID if record.get(name)), None)
    if event is None or user is None:  # a receipt, a reaction, a change of another field of the page
        kind = record.get("field") or "other"
        around = parents[0] if parents else {}
        at = get_path(record, "value.leadgen_id") or record.get("timestamp") or around.get("time")
        return {**record, "kind": kind, "record": f"{kind} {user} {at}" if at else None}
    if get_path(record, "message.is_echo"):
        return {**record, "kind": "echo", "record": get_path(record, "message.mid")}
    places = ("referral", "message.referral", "postback.referral")
    found = (get_path(record, place) for place in places)
    referral: dict[str, Any] = next((value for value in found if isinstance(value, dict)), {})
    is_ad = str(referral.get("source")).upper() == "ADS" or bool(referral.get("ad_id"))
    rest = {name: value for name, value in record.items() if name != "referral"}
    return {
        **rest,
        "kind": "message",
        "user": user,
        "record": f"conversation {user}",
        "click": referral,
        "contact": referral.get("ad_id") or referral.get("ref"),
        "is_organic": None if is_ad else "true",
        "page": parents[0].get("id") if parents else None,
    }


CONNECTOR = Connector(
    source="messenger_instagram",
    title="Messenger and Instagram",
    owner="@afluente/sources",
    docs_url="https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks",
    intake=Webhook(
        records_at=("entry[*].messaging[*]", "entry[*].standby[*]", "entry[*].changes[*]", ""),
        signature=HmacSha256(
            header="X-Hub-Signature-256", secret=Secret("MESSENGER_INSTAGRAM_APP_SECRET"), prefix="sha256="
        ),
        handshake=VerifyToken(Secret("MESSENGER_INSTAGRAM_VERIFY_TOKEN")),
        max_body_bytes=4_194_304,  # of a busy page Meta sends many messages at once
    ),
    event_id="record",
    occurred_at="timestamp",
    contact_at=("contact",),
    revisions="first",
    prepare=prepare,
)
