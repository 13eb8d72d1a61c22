"""LinkedIn posts the id of each response to a lead gen form; the response is read from the Lead Sync API."""

from typing import Any

from connectors import kit

_SECRET = kit.Secret("LINKEDIN_LEAD_GEN_CLIENT_SECRET")
_FIELDS = (
    "id,submittedAt,leadType,testLead,owner,versionedLeadGenFormUrn,leadMetadata,leadMetadataInfo,associatedEntity,"
    "associatedEntityInfo,formResponse,form:(hiddenFields,name,id,content)"
)


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`answers`: by LinkedIn's own word for what a question asks, else by its name or number."""
    asked = {question.get("questionId"): question for question in kit.entries_at(record, "form.content.questions")}
    answers = kit.entries_at(record, "formResponse.answers")
    named = [_question(answer, asked.get(answer.get("questionId"), {})) for answer in answers]
    return {**record, "answers": kit.answers_by_name(named)}


def _question(answer: dict[str, Any], asked: dict[str, Any]) -> kit.Question:
    text = kit.get_path(answer, "answerDetails.textQuestionAnswer.answer")
    given = kit.get_path(answer, "answerDetails.multipleChoiceAnswer.options") if text is None else text
    name = asked.get("predefinedField") or asked.get("name") or f"question {answer.get('questionId')}"
    return kit.Question(name, given)


CONNECTOR = kit.Connector(
    source="linkedin_lead_gen",
    title="LinkedIn Lead Gen Forms",
    owner="@afluente/sources",
    docs_url="https://learn.microsoft.com/en-us/linkedin/marketing/lead-sync/leadsync",
    intake=kit.Webhook(
        signature=kit.HmacSha256(header="X-LI-Signature", secret=_SECRET, signed="hmacsha256={body}"),
        handshake=kit.SignedToken(
            _SECRET,
            param="challengeCode",
            token_key="challengeCode",  # noqa: S106 - the key of an answer
            digest_key="challengeResponse",
        ),
        fetch=kit.Fetch(
            url="https://api.linkedin.com/rest/leadFormResponses/{leadGenFormResponse:last}",
            options=(kit.Option("version", default="202606", help="of the API, as YYYYMM: each lives about a year"),),
            headers={"Linkedin-Version": "{version}", "X-Restli-Protocol-Version": "2.0.0"},
            params={"fields": _FIELDS},
            token=kit.Secret("LINKEDIN_LEAD_GEN_TOKEN"),
            auth=kit.OAuthCode(
                "https://www.linkedin.com/oauth/v2/authorization",
                "https://www.linkedin.com/oauth/v2/accessToken",
                kit.Secret("LINKEDIN_LEAD_GEN_CLIENT_ID"),
                _SECRET,
                scopes=("r_marketing_leadgen_automation",),
                pkce=False,  # only apps without a secret may use it there
            ),
            when={"type": "LEAD_ACTION", "leadAction": "CREATED"},
        ),
    ),
    event_id="leadGenFormResponse",
    occurred_at="occurredAt",
    prepare=prepare,
)
