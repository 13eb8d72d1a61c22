"""X posts what happens at an account: of a direct message that somebody sends us, the first one is the lead."""

from typing import Any

from connectors.kit import Connector, CrcToken, HmacSha256, Secret, Webhook, entries_at, get_path

_SECRET = Secret("X_DIRECT_MESSAGES_CONSUMER_SECRET")


def prepare(record: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    """`kind`: message, echo (one that we sent), or other; `person`: who wrote, from the users beside the messages.

    `record`: a conversation is known by who writes.
    """
    around = parents[0] if parents else {}
    sender = get_path(record, "message_create.sender_id")
    if not sender:
        lists = {name: entries_at(record, name) for name in record if name.endswith("_events")}
        first = next((f"{name} {entries[0].get('id')}" for name, entries in lists.items() if entries), None)
        return {**record, "kind": "other", "record": first}
    if str(sender) == str(around.get("for_user_id")):
        return {**record, "kind": "echo", "record": record.get("id")}
    users = around.get("users")
    person = users.get(str(sender)) if isinstance(users, dict) else None
    return {**record, "kind": "message", "person": person, "user": sender, "record": f"conversation {sender}"}


CONNECTOR = Connector(
    source="x_direct_messages",
    title="X direct messages",
    owner="@afluente/sources",
    docs_url="https://docs.x.com/x-api/account-activity/introduction",
    intake=Webhook(
        records_at=("direct_message_events", ""),  # likes, follows and all else are bodies of their own
        signature=HmacSha256(
            header="x-twitter-webhooks-signature", secret=_SECRET, prefix="sha256=", encoding="base64"
        ),
        handshake=CrcToken(_SECRET),
    ),
    event_id="record",
    occurred_at="created_timestamp",
    revisions="first",
    prepare=prepare,
)
