"""Crisp posts what happens in a website's chat. A visitor who leaves an address or a number is the lead."""

from typing import Any

from connectors.kit import Connector, Secret, SharedSecret, Webhook, get_path

_TOLD = ("session:set_email", "session:set_phone")


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`record`: a chat by what was left in it; other events go by what happened when."""
    event, session = record.get("event"), get_path(record, "data.session_id")
    at = get_path(record, "data.fingerprint") or record.get("timestamp")
    return {**record, "record": f"{event} {session}" if event in _TOLD else f"{event} {session} {at}"}


CONNECTOR = Connector(
    source="crisp",
    title="Crisp",
    owner="@afluente/sources",
    docs_url="https://docs.crisp.chat/references/web-hooks/v1/",
    intake=Webhook(signature=SharedSecret(Secret("CRISP_SECRET"))),
    event_id="record",
    occurred_at="timestamp",
    revised_at="timestamp",
    prepare=prepare,
)
