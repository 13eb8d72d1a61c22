"""TikTok posts leads of instant forms with all answers; reviews of ads and other events come to the same address."""

from typing import Any

from connectors.kit import Connector, HmacSha256, Secret, Webhook

_LEAD = (1, "1")


def prepare(record: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    """`kind`: lead, or the number that TikTok has for another thing. Ids are numbers of 19 digits, read as ids."""
    kind = parents[0].get("object") if parents else record.get("object")
    return {**record, "kind": "lead" if kind in _LEAD and record.get("id") else f"object {kind}"}


CONNECTOR = Connector(
    source="tiktok_lead_gen",
    title="TikTok lead generation",
    owner="@afluente/sources",
    docs_url="https://business-api.tiktok.com/portal/docs",
    intake=Webhook(
        records_at=("entry[*]", ""),
        signature=HmacSha256(
            header="X-Open-Signature", secret=Secret("TIKTOK_LEAD_GEN_APP_SECRET"), escapes_non_ascii=True
        ),
    ),
    event_id="id",
    occurred_at="create_time",
    prepare=prepare,
)
