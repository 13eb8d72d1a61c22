"""Any API that gives JSON in pages, described in afluente.yaml alone: `connector: rest_poll`, as often as you like.

What stands here is what `sources.rest_poll` without options would do; docs/poll-an-api.md says what may be set.
Its address is the sandbox's, which plays such an API.
"""

from connectors.kit import Connector, Cursor, PageNumber, Poll, Secret
from connectors.kit.sources.configured.options import RestPollOptions

CONNECTOR = Connector(
    source="rest_poll",
    title="REST API",
    owner="@afluente/sources",
    docs_url="https://www.rfc-editor.org/rfc/rfc8259",
    intake=Poll(
        url="http://127.0.0.1:8081/providers/rest_poll/leads",
        records_at="leads",
        pages=PageNumber(),
        cursor=Cursor(param="updated_after", field="updated_at", lookback_seconds=60),
        token=Secret("REST_POLL_TOKEN"),
    ),
    lane="bulk",
    event_id="id",
    occurred_at="updated_at",
    configured_by=RestPollOptions,
)
