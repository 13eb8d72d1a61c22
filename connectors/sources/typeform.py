"""Typeform posts one signed webhook per response; answers stand in a list, each under a key named by its type."""

import re
from typing import Any

from connectors import kit
from connectors.kit import Question, Secret, answers_by_name, entries_at, get_path

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


_FORMS = kit.PageNumber(size_param="page_size", total_pages_at="page_count")


def pushed(response: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    form = parents[0]
    definition = {name: form.get(name) for name in ("id", "title", "fields")}
    return {
        "event_type": "form_response",
        "form_response": {**response, "form_id": form.get("id"), "definition": definition},
    }


CONNECTOR = kit.Connector(
    source="typeform",
    title="Typeform",
    owner="@afluente/sources",
    docs_url="https://www.typeform.com/developers/webhooks/",
    intake=kit.Webhook(
        signature=kit.HmacSha256(
            header="Typeform-Signature", secret=Secret("TYPEFORM_SECRET"), prefix="sha256=", encoding="base64"
        ),
        reconcile=kit.Reconcile(
            kit.Poll(
                url="https://api.typeform.com/forms",
                records_at="items",
                token=Secret("TYPEFORM_TOKEN"),
                rate_per_second=2,  # what Typeform allows an account
                streams=(
                    kit.Stream(
                        "responses",
                        url="{parent}/responses",
                        params={"since": "{from}", "until": "{to}", "page_size": "1000"},
                        pages=kit.PageToken("before", at="items[-1].token"),
                        parent=kit.Parent("/forms", records_at="items", pages=_FORMS),
                    ),
                ),
            ),
            pushed,
            parent_url="{parent}",
            grace_seconds=3_600,  # the list may be half an hour behind
        ),
        subscription=kit.Subscription(
            kit.Fetch(
                "https://api.typeform.com/forms/{form}/webhooks",
                options=(kit.Option("form", help="the id of the form; several with commas between"),),
                token=Secret("TYPEFORM_TOKEN"),
            ),
            records_at="items",
            url_at="url",
            active_at="enabled",
            each="form",
        ),
    ),
    event_id="form_response.token",
    occurred_at="form_response.submitted_at",
    prepare=prepare,
)
