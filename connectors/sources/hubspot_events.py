"""HubSpot's subscriptions of an app post lists of events: ids of contacts and what happened; a new contact is read."""

from typing import Any

from connectors import kit
from connectors.kit import Secret
from connectors.kit.times import parse_time

_CREATED, _CHANGED = "contact.creation", "contact.propertyChange"
_BY_PROGRAMS = ("INTEGRATION", "API", "MIGRATION")  # as we ourselves are one where HubSpot is the CRM
_TOKEN = Secret("HUBSPOT_EVENTS_TOKEN")
_PROPERTIES = (
    "email,firstname,lastname,phone,mobilephone,company,jobtitle,website,industry,numemployees,address,city,state,zip,"
    "country,hs_language,message,createdate,recent_conversion_event_name,hs_analytics_source,hs_analytics_first_url,"
    "hs_analytics_first_referrer,hs_google_click_id,hs_facebook_click_id,hs_email_optout,hs_legal_basis"
)
_WINDOW = {"propertyName": "createdate", "operator": "BETWEEN", "value": "{from}", "highValue": "{to}"}
_LISTED = kit.Poll(
    url="https://api.hubapi.com/crm/v3/objects/contacts/search",
    method="POST",
    records_at="results",
    body={
        "filterGroups": [{"filters": [_WINDOW]}],
        "sorts": [{"propertyName": "createdate", "direction": "ASCENDING"}],
        "properties": ["createdate", "hs_object_source"],
        "limit": 100,
        "after": "{after}",
    },
    pages=kit.PageToken("after", at="paging.next.after"),
    token=_TOKEN,
    rate_per_second=4,  # searches of an account: five
)


def prepare(record: dict[str, Any], parents: list[dict[str, Any]]) -> dict[str, Any]:
    """`happened`: the event, told apart where a program made the contact, and where somebody was unsubscribed.

    `contact`: its properties, if it was read; `id`: HubSpot's own of it."""
    event = parents[0] if parents else record
    happened, properties = event.get("subscriptionType"), record.get("properties")
    if happened == _CREATED and event.get("changeSource") in _BY_PROGRAMS:
        happened = f"{_CREATED} by a program"
    elif happened == _CHANGED and event.get("propertyName") == "hs_email_optout":
        happened = "unsubscribed" if str(event.get("propertyValue")).lower() == "true" else "subscribed"
    contact = dict(properties) if isinstance(properties, dict) else {}
    is_out = happened == "unsubscribed" or str(contact.get("hs_email_optout")).lower() == "true"
    return {
        "happened": happened,
        "contact": contact,
        "id": event.get("objectId"),
        "at": event.get("occurredAt"),
        "consent": "opted out" if is_out else None,
        "property": event.get("propertyName"),
        "value": event.get("propertyValue"),
        "source": event.get("changeSource"),
    }


def pushed(contact: dict[str, Any]) -> dict[str, Any]:
    id_, properties = contact.get("id"), contact.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    made_at = parse_time(properties.get("createdate"))
    return {
        "subscriptionType": _CREATED,
        "objectId": int(id_) if isinstance(id_, str) and id_.isdigit() else id_,
        "occurredAt": None if made_at is None else round(made_at.timestamp() * 1000),
        "changeSource": properties.get("hs_object_source"),
    }


CONNECTOR = kit.Connector(
    source="hubspot_events",
    title="HubSpot events",
    owner="@afluente/sources",
    docs_url="https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide",
    intake=kit.Webhook(
        signature=kit.HmacSha256(
            header="X-HubSpot-Signature-v3",
            secret=Secret("HUBSPOT_EVENTS_CLIENT_SECRET"),
            encoding="base64",
            signed="{method}{uri}{body}{timestamp}",
            timestamp_header="X-HubSpot-Request-Timestamp",
            timestamp_unit="milliseconds",
            tolerance_seconds=300,
        ),
        fetch=kit.Fetch(
            url="https://api.hubapi.com/crm/v3/objects/contacts/{objectId}",
            params={"properties": _PROPERTIES},
            token=_TOKEN,
            when={"subscriptionType": _CREATED},
        ),
        reconcile=kit.Reconcile(_LISTED, pushed, written="unix_ms"),
    ),
    lane="bulk",  # an import of contacts comes at once
    event_id=("subscriptionType", "propertyName", "objectId"),  # HubSpot's own id of an event may come twice
    occurred_at="occurredAt",
    revisions="add",
    prepare=prepare,
)
