"""Google Forms has no webhooks: the script of docs/forms.md posts each response, signed as Standard Webhooks."""

from typing import Any

from connectors.kit import Connector, Question, Secret, StandardWebhooks, Webhook, answers_by_name, entries_at


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`answers`: by the title of the question."""
    questions = (Question(answer.get("title"), answer.get("answer")) for answer in entries_at(record, "answers"))
    return {**record, "answers": answers_by_name(questions)}


CONNECTOR = Connector(
    source="google_forms",
    title="Google Forms",
    owner="@afluente/sources",
    docs_url="https://developers.google.com/apps-script/reference/forms/form-response",
    intake=Webhook(
        signature=StandardWebhooks(secret=Secret("GOOGLE_FORMS_SECRET")),
    ),
    event_id="response_id",
    occurred_at="submitted_at",
    prepare=prepare,
)
