"""Jotform posts a multipart form with the answers as JSON in `rawRequest`; it signs nothing, so the address holds a
secret."""

import re
from typing import Any

from connectors.kit import Connector, Question, Secret, SharedSecret, Webhook, answers_by_name

_QUESTION = re.compile(r"q\d+_(.+)", re.DOTALL)
_ADDRESS = {"addr_line1": "street", "city": "city", "state": "state", "postal": "postal_code", "country": "country"}


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`answers`: by the unique name of the question (`q4_email` is `email`); a name, a phone and an address in parts
    become fields of their own."""
    raw = record.get("rawRequest")
    asked = {key: value for key, value in raw.items() if _QUESTION.match(key)} if isinstance(raw, dict) else {}
    named = [(_QUESTION.sub(r"\1", key), value) for key, value in asked.items()]
    answers = answers_by_name(Question(*part) for name, value in named for part in _parts(name, value))
    rest = {key: value for key, value in raw.items() if key not in asked} if isinstance(raw, dict) else raw
    return {**record, "rawRequest": rest, "answers": answers}


def _parts(name: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(name, value)]
    if "first" in value or "last" in value:
        return [("first_name", value.get("first")), ("last_name", value.get("last"))]
    if "full" in value:
        return [(name, value["full"])]
    if "area" in value and "phone" in value:
        return [(name, f"{value['area']} {value['phone']}")]
    if "addr_line1" in value:
        return [(ours, value.get(theirs)) for theirs, ours in _ADDRESS.items()]
    return [(name, value)]


CONNECTOR = Connector(
    source="jotform",
    title="Jotform",
    owner="@afluente/sources",
    docs_url="https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/",
    intake=Webhook(
        signature=SharedSecret(Secret("JOTFORM_SECRET")),
        formats=("form",),
        json_fields=("rawRequest",),
    ),
    event_id="submissionID",
    prepare=prepare,
)
