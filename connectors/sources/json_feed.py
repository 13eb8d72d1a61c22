"""A JSON feed that is asked page by page: `{"leads": […], "page": 1, "has_more": true}`.

The address is set as `sources.json_feed.url` in afluente.yaml; the one here is the sandbox's.
"""

from connectors.kit import Connector, Cursor, PageNumber, Poll, Secret

CONNECTOR = Connector(
    source="json_feed",
    title="JSON feed",
    owner="@afluente/sources",
    docs_url="https://www.rfc-editor.org/rfc/rfc8259",
    intake=Poll(
        url="http://127.0.0.1:8081/feed/leads",
        records_at="leads",
        pages=PageNumber(param="page", size_param="limit", size=200),
        # A record may be written a moment after others that carry a later time: a minute is read again.
        cursor=Cursor(param="updated_after", field="updated_at", lookback_seconds=60),
        token=Secret("JSON_FEED_TOKEN"),
    ),
    lane="bulk",
    event_id="id",
    occurred_at="updated_at",
)
