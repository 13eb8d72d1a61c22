"""Marketo is asked for the leads of a static list, which a smart campaign fills; `options` say whose and which.

What stands here is what `sources.marketo` without options would do: its address is the sandbox's, which plays Marketo.
"""

import dataclasses
from typing import Annotated, Any

import msgspec

from connectors.kit import Connector, OAuthClient, PageToken, Poll, Secret

_CODES = {**dict.fromkeys((601, 602), "token"), **dict.fromkeys((606, 607, 615), "quota")}
_CODES |= dict.fromkeys((502, 604, 608, 611, 614), "retry")
_FIELDS = (
    *("id", "email", "firstName", "lastName", "phone", "mobilePhone", "company", "title", "website", "industry"),
    *("numberOfEmployees", "address", "city", "state", "postalCode", "country", "unsubscribed", "leadSource"),
    *("originalSourceType", "originalReferrer", "createdAt", "updatedAt"),
)


def prepare(record: dict[str, Any]) -> dict[str, Any]:
    """`consent`: that somebody unsubscribed. That nobody did is no yes."""
    return {**record, "consent": "opted out" if str(record.get("unsubscribed")).lower() == "true" else None}


class MarketoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`endpoint`: as Marketo shows it, without `/rest`; `list_id`: the number of the static list; `fields`: further
    ones, by their REST names."""

    endpoint: Annotated[str, msgspec.Meta(pattern="^https?://[^/]+/?$")]
    list_id: Annotated[int, msgspec.Meta(ge=1)]
    fields: list[str] = []

    def connector(self, base: Connector, slug: str) -> Connector:
        root, prefix = self.endpoint.rstrip("/"), slug.upper()
        poll = dataclasses.replace(
            _POLL,
            url=f"{root}/rest/v1/lists/{self.list_id}/leads.json",
            params={**_POLL.params, "fields": ",".join(dict.fromkeys((*_FIELDS, *self.fields)))},
            token=None,
            auth=OAuthClient(
                f"{root}/identity/oauth/token", Secret(f"{prefix}_CLIENT_ID"), Secret(f"{prefix}_CLIENT_SECRET")
            ),
        )
        return dataclasses.replace(base, source=slug, intake=poll)


_POLL = Poll(
    url="http://127.0.0.1:8081/providers/marketo/rest/v1/lists/1001/leads.json",
    records_at="result",
    pages=PageToken("nextPageToken", at="nextPageToken"),
    params={"batchSize": "300", "fields": ",".join(_FIELDS)},
    token=Secret("MARKETO_TOKEN"),
    every_seconds=900,
    rate_per_second=2,  # of 100 calls in 20 seconds, which all integrations of an account share
    errors_at="errors",
    code_at="errors[0].code",
    codes=_CODES,
)

CONNECTOR = Connector(
    source="marketo",
    title="Marketo",
    owner="@afluente/sources",
    docs_url="https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api",
    intake=_POLL,
    lane="bulk",
    event_id="id",
    occurred_at="createdAt",
    revised_at="updatedAt",
    prepare=prepare,
    configured_by=MarketoOptions,
)
