"""Typeform posts one signed webhook per response; answers stand in a list, each under a key named by its type."""

import re
from typing import Any

from connectors.kit import Connector, HmacSha256, Question, Secret, Webhook, answers_by_name, entries_at, get_path

_MADE_UP = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`answers`: by the ref of the question where somebody chose one, else by its title. `is_partial`: the visitor went
    away before sending."""
    fields = entries_at(record, "form_response.definition.fields")
    titles = {str(field.get("id")): field.get("title") for field in fields}
    questions = (_question(answer, titles) for answer in entries_at(record, "form_response.answers"))
    is_partial = record.get("event_type") == "form_response_partial"
    return {**record, "is_partial": is_partial, "answers": answers_by_name(questions)}


def _question(answer: dict[str, Any], titles: dict[str, Any]) -> Question:
    ref, kind = get_path(answer, "field.ref"), str(answer.get("type"))
    is_chosen = isinstance(ref, str) and not _MADE_UP.fullmatch(ref)
    value = answer.get(kind)
    if isinstance(value, dict):  # of a choice its label, of several all, else what was typed in their place
        value = value.get("label") or value.get("labels") or value.get("other") or value
    name = ref if is_chosen else titles.get(str(get_path(answer, "field.id"))) or ref
    return Question(name, value, "phone" if kind == "phone_number" else kind)


CONNECTOR = Connector(
    source="typeform",
    title="Typeform",
    owner="@afluente/sources",
    docs_url="https://www.typeform.com/developers/webhooks/",
    intake=Webhook(
        signature=HmacSha256(
            header="Typeform-Signature", secret=Secret("TYPEFORM_SECRET"), prefix="sha256=", encoding="base64"
        ),
    ),
    event_id="form_response.token",
    occurred_at="form_response.submitted_at",
    prepare=prepare,
)
