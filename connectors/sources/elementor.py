"""Elementor Pro posts a form: its fields by their labels, or, with Advanced Data, by their ids and with the page."""

import re
from typing import Any

from connectors.kit import Connector, Question, Secret, SharedSecret, Webhook, answers_by_name, question_name

_PART = re.compile(r"fields\[([^\]]+)\]\[(\w+)\]")
_MADE_UP = re.compile(r"field_[0-9a-f]{7}|field_\d+")
_META = ("date", "time", "page_url", "user_agent", "remote_ip", "powered_by", "form_id", "form_name")


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`answers`: by the id of a field where somebody chose one, else by its label; all else stays as it came."""
    fields: dict[str, dict[str, Any]] = {}
    rest: dict[str, Any] = {}
    labels: list[Question] = []
    is_advanced = any(_PART.fullmatch(key) for key in record)
    for key, value in record.items():
        if part := _PART.fullmatch(key):
            fields.setdefault(part[1], {})[part[2]] = value
        elif is_advanced or question_name(key) in _META or "[" in key:
            rest[key if is_advanced or "[" in key else question_name(key)] = value
        else:
            labels.append(Question(key, value))
    advanced = [_question(field_id, parts) for field_id, parts in fields.items()]
    return {**rest, "answers": answers_by_name([*advanced, *labels])}


def _question(field_id: str, parts: dict[str, Any]) -> Question:
    name = parts.get("title") or field_id if _MADE_UP.fullmatch(field_id) else field_id
    kind = {"tel": "phone"}.get(str(parts.get("type")), str(parts.get("type")))
    return Question(name, parts.get("value") or parts.get("raw_value"), kind)


CONNECTOR = Connector(
    source="elementor",
    title="Elementor Forms",
    owner="@afluente/sources",
    docs_url="https://elementor.com/help/form-webhook-integration/",
    intake=Webhook(
        signature=SharedSecret(Secret("ELEMENTOR_SECRET")),
        formats=("form", "json"),
    ),
    prepare=prepare,
)
