"""Shopify posts new customers and orders; which of both a body is says its `admin_graphql_api_id`."""

from typing import Any
from urllib.parse import urlsplit

from connectors import kit
from connectors.kit import Secret, get_path

_CONSENTS = ("email_marketing_consent", "sms_marketing_consent")
# What a body without that id is about, by a key that only it has.
_TOPICS = {"data_request": "data_request", "orders_to_redact": "redact", **dict.fromkeys(_CONSENTS, "consent")}
_ANSWERS = ("subscribed", "unsubscribed")  # other states are no answer: never asked, or not confirmed yet


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`resource`: `Order`, `Customer`, …, with `record` as its id. A consent that nobody gave or refused is left out.

    What Shopify asks about privacy (`customers/redact`, …) and a consent that changed have no such id: they are known
    by whom they are about, and by what.
    """
    name, customer = record.get("admin_graphql_api_id"), record.get("customer")
    customer = customer if isinstance(customer, dict) else {}
    if isinstance(name, str) and name:
        record["resource"], record["record"] = name.split("/")[-2] if name.count("/") > 1 else name, name
    else:
        record["resource"] = topic = next((_TOPICS[key] for key in _TOPICS if key in record), "other")
        who = customer.get("id") or record.get("customer_id") or record.get("id")
        about = [who if isinstance(who, str | int) else None, record.get("data_request")]
        said = [part.get("consent_updated_at") for key in _CONSENTS if isinstance(part := record.get(key), dict)]
        if topic != "other" and about[0]:
            record["record"] = " ".join(str(part) for part in (topic, *about, *said) if part)
    if record["resource"] == "Customer":
        record["customer_id"] = record.get("id")
    elif customer:
        record["customer_id"] = customer.get("id")
    for person in (record, customer):
        for consent in _CONSENTS:
            said_now = person.get(consent)
            if isinstance(said_now, dict) and said_now.get("state") not in _ANSWERS:
                person[consent] = None
    return record


_CUSTOMER = (
    "id legacyResourceId createdAt updatedAt firstName lastName note tags"
    " defaultEmailAddress { emailAddress marketingState marketingOptInLevel marketingUpdatedAt }"
    " defaultPhoneNumber { phoneNumber marketingState marketingOptInLevel marketingUpdatedAt }"
)
_ADDRESS = "{ firstName lastName company address1 city province zip countryCodeV2 phone }"
_ORDER = (
    "id legacyResourceId name createdAt updatedAt email phone test note currencyCode sourceName tags customerLocale"
    " displayFinancialStatus totalPriceSet { shopMoney { amount } } customAttributes { key value }"
    " customerJourneySummary { firstVisit { landingPage referrerUrl } }"
    f" billingAddress {_ADDRESS} customer {{ {_CUSTOMER} }}"
)


def _list(name: str, made_at: str, fields: str) -> kit.Stream:
    query = (
        f"query($asked: String!, $after: String) {{ {name}(first: 50, after: $after, query: $asked,"
        f" sortKey: CREATED_AT) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    asked = f"{made_at}:>='{{from}}' {made_at}:<='{{to}}'"
    return kit.Stream(
        name,
        records_at=f"data.{name}.nodes",
        body={"query": query, "variables": {"asked": asked, "after": "{after}"}},
        pages=kit.PageToken("after", at=f"data.{name}.pageInfo.endCursor", more_at=f"data.{name}.pageInfo.hasNextPage"),
    )


_LISTED = kit.Poll(
    url="https://your-shop.example/admin/api/{version}/graphql.json",
    method="POST",
    auth=kit.HeaderKey("X-Shopify-Access-Token", Secret("SHOPIFY_TOKEN")),
    errors_at="errors",
    rate_per_second=1,  # what a page costs, of the points that a shop gets back in a second
    streams=(
        _list("orders", "created_at", _ORDER),
        _list("customers", "customer_date", f"{_CUSTOMER} defaultAddress {_ADDRESS}"),
    ),
)
_VERSION = kit.Option("version", default="2026-10", help="of the Admin API, as YYYY-MM: each lives a year")
_LISTS = kit.Option(
    "lists", default="orders", allowed=("orders", "customers", "orders,customers"), help="what the webhooks tell of"
)


def pushed(listed: dict[str, Any]) -> dict[str, Any]:
    """An order or a customer, in the words of the webhook."""
    is_order = str(listed.get("id")).startswith("gid://shopify/Order/")
    own = _order(listed) if is_order else _customer(listed) | {"default_address": _address(listed, "defaultAddress")}
    return own | {"created_at": listed.get("createdAt"), "updated_at": listed.get("updatedAt")}


def _order(listed: dict[str, Any]) -> dict[str, Any]:
    visit = get_path(listed, "customerJourneySummary.firstVisit") or {}
    customer = listed.get("customer")
    return {
        **_named(listed),
        **{name: listed.get(name) for name in ("name", "email", "phone", "test", "note")},
        "currency": listed.get("currencyCode"),
        "customer_locale": listed.get("customerLocale"),
        "financial_status": str(listed.get("displayFinancialStatus") or "").lower() or None,
        "landing_site": _within_host(get_path(visit, "landingPage")),
        "note_attributes": [
            {"name": entry.get("key"), "value": entry.get("value")}
            for entry in kit.entries_at(listed, "customAttributes")
        ],
        "referring_site": get_path(visit, "referrerUrl"),
        "source_name": listed.get("sourceName"),
        "total_price": get_path(listed, "totalPriceSet.shopMoney.amount"),
        "billing_address": _address(listed, "billingAddress"),
        "customer": _customer(customer) if isinstance(customer, dict) else None,
    }


def _customer(listed: dict[str, Any]) -> dict[str, Any]:
    email, phone = get_path(listed, "defaultEmailAddress"), get_path(listed, "defaultPhoneNumber")
    return {
        **_named(listed),
        "email": get_path(email, "emailAddress"),
        "phone": get_path(phone, "phoneNumber"),
        "first_name": listed.get("firstName"),
        "last_name": listed.get("lastName"),
        "note": listed.get("note"),
        "email_marketing_consent": _consent(email),
        "sms_marketing_consent": _consent(phone),
    }


def _named(listed: dict[str, Any]) -> dict[str, Any]:
    number, tags = listed.get("legacyResourceId"), listed.get("tags")
    return {
        "id": int(number) if isinstance(number, str) and number.isdigit() else number,
        "admin_graphql_api_id": listed.get("id"),
        "tags": ", ".join(map(str, tags)) if isinstance(tags, list) else tags,
    }


def _address(listed: dict[str, Any], name: str) -> dict[str, Any] | None:
    found = listed.get(name)
    if not isinstance(found, dict):
        return None
    names = {"firstName": "first_name", "lastName": "last_name", "countryCodeV2": "country_code"}
    return {str(names.get(key, key)): value for key, value in found.items()}


def _consent(contact: Any) -> dict[str, Any] | None:
    if not isinstance(contact, dict):
        return None
    return {
        "state": str(contact.get("marketingState") or "").lower() or None,
        "opt_in_level": str(contact.get("marketingOptInLevel") or "").lower() or None,
        "consent_updated_at": contact.get("marketingUpdatedAt"),
    }


def _within_host(page: Any) -> Any:
    """Path and query of an address, as the webhook has it."""
    if not isinstance(page, str):
        return None
    parts = urlsplit(page)
    return parts._replace(scheme="", netloc="").geturl() or "/"


CONNECTOR = kit.Connector(
    source="shopify",
    title="Shopify",
    owner="@afluente/sources",
    docs_url="https://shopify.dev/docs/apps/build/webhooks",
    intake=kit.Webhook(
        signature=kit.HmacSha256(header="X-Shopify-Hmac-SHA256", secret=Secret("SHOPIFY_SECRET"), encoding="base64"),
        max_body_bytes=4_194_304,  # an order of many lines
        reconcile=kit.Reconcile(
            _LISTED, pushed, options=(_VERSION, _LISTS), lists="lists", needs_address="https://acme.myshopify.com"
        ),
    ),
    lane="bulk",
    event_id="record",
    occurred_at="created_at",
    revised_at="updated_at",
    prepare=prepare,
)
