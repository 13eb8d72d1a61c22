"""tawk.to posts chats that begin and end, transcripts, and tickets: a visitor with an address is the lead."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook, entries_at, get_path


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`kind`: contact where there is an address, else the event. `record`: the chat or ticket, which a transcript
    revises. `person`: the visitor or requester; `said`: what the visitor wrote, of a transcript all lines."""
    event, chat = record.get("event"), record.get("chatId") or get_path(record, "chat.id")
    person = record.get("visitor") or get_path(record, "chat.visitor") or record.get("requester")
    ticket, own = get_path(record, "ticket.id"), f"{record.get('event')} {chat} {record.get('time')}"
    if event not in ("chat:start", "chat:transcript_created", "ticket:create") or not get_path(person, "email"):
        return {**record, "kind": event, "record": own}
    told = f"ticket {ticket}" if ticket else f"chat {chat}" if chat else None
    lines = [line.get("msg") for line in entries_at(record, "chat.messages") if get_path(line, "sender.t") == "v"]
    is_theirs = get_path(record, "message.sender.type") == "visitor"
    first = get_path(record, "message.text") if is_theirs else get_path(record, "ticket.message")
    said = "\n".join(line for line in lines if isinstance(line, str)) or first
    return {**record, "kind": "contact", "person": person, "said": said, "record": told}


CONNECTOR = Connector(
    source="tawk",
    title="tawk.to",
    owner="@afluente/sources",
    docs_url="https://developer.tawk.to/webhooks/",
    intake=Webhook(
        signature=HmacSha256(header="X-Tawk-Signature", secret=Secret("TAWK_SECRET"), algorithm="sha1"),
        max_body_bytes=4_194_304,  # a transcript of a long chat
    ),
    event_id="record",
    occurred_at="time",
    revised_at="time",
    prepare=prepare,
)
