"""Meta posts the id of each lead of an instant form (Facebook, Instagram); the lead is read from the Graph API."""

from dataclasses import replace
from typing import Any

from connectors import kit
from connectors.kit import Option, Secret, entries_at

_FIELDS = (
    "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,is_organic,platform,"
    "partner_name,field_data,custom_disclaimer_responses"
)
_CODES = {190: "token", 102: "token", 1: "retry", 2: "retry", 10: "forbidden", 200: "forbidden", 100: "gone"}
_CODES |= dict.fromkeys((4, 17, 32, 613, 80004, 80005), "quota")
_VERSION = Option("version", default="v25.0", help="of the Graph API")
_WINDOW = (
    '[{"field":"time_created","operator":"GREATER_THAN","value":{from}},'
    '{"field":"time_created","operator":"LESS_THAN","value":{to}}]'
)
_PAGE = Option("page", ("text", "integer"), help="the id of the page whose forms are read; several with commas between")
_LEADS = kit.Poll(
    url="https://graph.facebook.com/{version}",
    records_at="data",
    pages=kit.NextLink("paging.next"),
    token=Secret("META_LEAD_ADS_TOKEN"),
    code_at="error.code",
    codes=_CODES,
    streams=(
        kit.Stream(
            "leads",
            url="{parent}/leads",
            params={"fields": "id,created_time,ad_id,form_id", "limit": "100", "filtering": _WINDOW},
            parent=kit.Parent(
                "{page}/leadgen_forms",
                records_at="data",
                pages=kit.NextLink("paging.next"),
                params={"fields": "id", "limit": "100"},
            ),
        ),
    ),
)
_ASKED = kit.Fetch(
    "https://graph.facebook.com/{version}/{page}/subscribed_apps",
    options=(_VERSION, _PAGE),
    token=Secret("META_LEAD_ADS_TOKEN"),
    code_at="error.code",
    codes=_CODES,
)
_SUBSCRIPTION = kit.Subscription(
    _ASKED,
    records_at="data",  # Meta tells no address: it is the app's, and the same for all its pages
    holds={"subscribed_fields": "leadgen"},
    each="page",
    scopes=kit.Scopes(
        replace(_ASKED, url="https://graph.facebook.com/{version}/debug_token", params={"input_token": "{token}"}),
        at="data.scopes",
        needed=("leads_retrieval", "pages_manage_metadata", "pages_read_engagement"),
    ),
)


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`is_test`: Meta's testing tool answers each question with `<test lead: dummy data for …>`."""
    values = [value for answer in entries_at(record, "field_data") for value in answer.get("values") or ()]
    return {**record, "is_test": any(isinstance(value, str) and value.startswith("<test lead") for value in values)}


def pushed(lead: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    form, options = parents
    value = {"leadgen_id": lead.get("id"), "page_id": options["page"], "form_id": form.get("id")}
    value |= {name: lead[name] for name in ("ad_id", "created_time") if name in lead}
    return {"object": "page", "entry": [{"id": options["page"], "changes": [{"field": "leadgen", "value": value}]}]}


CONNECTOR = kit.Connector(
    source="meta_lead_ads",
    title="Meta Lead Ads",
    owner="@afluente/sources",
    docs_url="https://developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving",
    intake=kit.Webhook(
        records_at="entry[*].changes[*]",
        signature=kit.HmacSha256(
            header="X-Hub-Signature-256", secret=Secret("META_LEAD_ADS_APP_SECRET"), prefix="sha256="
        ),
        handshake=kit.VerifyToken(Secret("META_LEAD_ADS_VERIFY_TOKEN")),
        fetch=kit.Fetch(
            url="https://graph.facebook.com/{version}/{value.leadgen_id}",
            options=(_VERSION,),
            params={"fields": _FIELDS},
            token=Secret("META_LEAD_ADS_TOKEN"),
            when={"field": "leadgen"},
            code_at="error.code",
            codes=_CODES,
        ),
        reconcile=kit.Reconcile(_LEADS, pushed, written="unix", options=(_VERSION, _PAGE), each="page"),
        subscription=_SUBSCRIPTION,
    ),
    event_id="value.leadgen_id",
    occurred_at="value.created_time",
    prepare=prepare,
)
