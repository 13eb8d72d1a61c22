"""Meta posts the id of each lead of an instant form (Facebook, Instagram); the lead is read from the Graph API."""

from typing import Any

from connectors.kit import Connector, Fetch, HmacSha256, Option, Secret, VerifyToken, Webhook, entries_at

_FIELDS = (
    "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,is_organic,platform,"
    "partner_name,field_data,custom_disclaimer_responses"
)
_CODES = {190: "token", 102: "token", 1: "retry", 2: "retry", 10: "forbidden", 200: "forbidden", 100: "gone"}
_QUOTA_CODES = (4, 17, 32, 613, 80004, 80005)


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`is_test`: Meta's testing tool answers each question with `<test lead: dummy data for …>`."""
    values = [value for answer in entries_at(record, "field_data") for value in answer.get("values") or ()]
    return {**record, "is_test": any(isinstance(value, str) and value.startswith("<test lead") for value in values)}


CONNECTOR = Connector(
    source="meta_lead_ads",
    title="Meta Lead Ads",
    owner="@afluente/sources",
    docs_url="https://developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving",
    intake=Webhook(
        records_at="entry[*].changes[*]",
        signature=HmacSha256(header="X-Hub-Signature-256", secret=Secret("META_LEAD_ADS_APP_SECRET"), prefix="sha256="),
        handshake=VerifyToken(Secret("META_LEAD_ADS_VERIFY_TOKEN")),
        fetch=Fetch(
            url="https://graph.facebook.com/{version}/{value.leadgen_id}",
            options=(Option("version", default="v25.0", help="of the Graph API"),),
            params={"fields": _FIELDS},
            token=Secret("META_LEAD_ADS_TOKEN"),
            when={"field": "leadgen"},
            code_at="error.code",
            codes={**_CODES, **dict.fromkeys(_QUOTA_CODES, "quota")},
        ),
    ),
    event_id="value.leadgen_id",
    occurred_at="value.created_time",
    prepare=prepare,
)
