"""Tally posts one signed webhook per response; choices are ids of the options that stand beside them."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Question, Secret, Webhook, answers_by_name, entries_at

_KINDS = {"INPUT_EMAIL": "email", "INPUT_PHONE_NUMBER": "phone"}


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`answers`: by the label of the question, choices by their texts."""
    fields = entries_at(record, "data.fields")
    groups = {str(field.get("key")) for field in fields if field.get("options")}
    # Of checkboxes each option comes once more, as a yes or no: `question_b2_opt-1` beside `question_b2`.
    asked = [field for field in fields if str(field.get("key")).rpartition("_")[0] not in groups]
    return {**record, "answers": answers_by_name(map(_question, asked))}


def _question(field: dict[str, Any]) -> Question:
    return Question(field.get("label"), _answer(field), _KINDS.get(str(field.get("type")), ""))


def _answer(field: dict[str, Any]) -> Any:
    value, options = field.get("value"), entries_at(field, "options")
    if not options or not isinstance(value, list):
        return value
    if len(options) == 1 and field.get("type") == "CHECKBOXES":  # a single box says yes, or nothing
        return True if value else None
    texts = {str(option.get("id")): option.get("text") for option in options}
    chosen = [texts.get(str(choice), choice) for choice in value]
    return chosen[0] if len(chosen) == 1 else chosen


CONNECTOR = Connector(
    source="tally",
    title="Tally",
    owner="@afluente/sources",
    docs_url="https://tally.so/help/webhooks",
    intake=Webhook(
        signature=HmacSha256(header="Tally-Signature", secret=Secret("TALLY_SECRET"), encoding="base64"),
    ),
    event_id="data.responseId",
    occurred_at="data.createdAt",
    prepare=prepare,
)
