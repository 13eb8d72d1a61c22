"""LinkedIn posts the id of each response to a lead gen form; the response is read from the Lead Sync API."""

from typing import Any

from connectors import kit

_SECRET = kit.Secret("LINKEDIN_LEAD_GEN_CLIENT_SECRET")
_TOKEN = kit.Secret("LINKEDIN_LEAD_GEN_TOKEN")
_VERSION = kit.Option("version", default="202606", help="of the API, as YYYYMM: each lives about a year")
_HEADERS = {"Linkedin-Version": "{version}", "X-Restli-Protocol-Version": "2.0.0"}
_OAUTH = kit.OAuthCode(
    "https://www.linkedin.com/oauth/v2/authorization",
    "https://www.linkedin.com/oauth/v2/accessToken",
    kit.Secret("LINKEDIN_LEAD_GEN_CLIENT_ID"),
    _SECRET,
    scopes=("r_marketing_leadgen_automation",),
    pkce=False,  # only apps without a secret may use it there
)
_LISTED = kit.Poll(
    url="https://api.linkedin.com/rest/leadFormResponses?q=owner&leadType=(leadType:SPONSORED)"  # brackets as they are
    "&limitedToTestLeads=false&owner=(sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A{account})"
    "&submittedAtTimeRange=(start:{from},end:{to})"
    "&fields=id,submittedAt,leadType,owner,versionedLeadGenFormUrn,associatedEntity",
    records_at="elements",
    pages=kit.Offset(param="start", size_param="count", size=100),
    headers=_HEADERS,
    token=_TOKEN,
    auth=_OAUTH,
)
_ACCOUNT = kit.Option("account", ("text", "integer"), help="the number of the ad account; several with commas between")
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


def pushed(response: dict[str, Any]) -> dict[str, Any]:
    id_ = response.get("id")
    return {
        "type": "LEAD_ACTION",
        "leadAction": "CREATED",
        "leadType": response.get("leadType"),
        "leadGenFormResponse": f"urn:li:leadGenFormResponse:{id_}" if isinstance(id_, str) and id_ else None,
        "leadGenForm": response.get("versionedLeadGenFormUrn"),
        "owner": response.get("owner"),
        "associatedEntity": response.get("associatedEntity") or {},
        "occurredAt": response.get("submittedAt"),
    }


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
            options=(_VERSION,),
            headers=_HEADERS,
            params={"fields": _FIELDS},
            token=_TOKEN,
            auth=_OAUTH,
            when={"type": "LEAD_ACTION", "leadAction": "CREATED"},
        ),
        reconcile=kit.Reconcile(_LISTED, pushed, written="unix_ms", options=(_VERSION, _ACCOUNT), each="account"),
    ),
    event_id="leadGenFormResponse",
    occurred_at="occurredAt",
    prepare=prepare,
)
