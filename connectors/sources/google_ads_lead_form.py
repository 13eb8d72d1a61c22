"""Google Ads posts each submission of a lead form, with the key that was typed beside the address in its body."""

from typing import Any

from connectors.kit import Connector, KeyInBody, Secret, Webhook

_IDS = ("form_id", "campaign_id", "adgroup_id", "creative_id", "asset_group_id")


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """An id of 0 says that there is none: Performance Max has asset groups and no ad groups, other campaigns the
    reverse."""
    return {name: value for name, value in record.items() if name not in _IDS or value not in (0, "0", "")}


CONNECTOR = Connector(
    source="google_ads_lead_form",
    title="Google Ads lead form",
    owner="@afluente/sources",
    docs_url="https://developers.google.com/google-ads/webhook/docs/implementation",
    intake=Webhook(
        signature=KeyInBody(name="google_key", secret=Secret("GOOGLE_ADS_LEAD_FORM_KEY")), max_body_bytes=65_536
    ),
    event_id="lead_id",
    occurred_at="lead_submit_time",
    prepare=prepare,
)
