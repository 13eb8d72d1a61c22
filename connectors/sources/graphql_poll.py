"""Any GraphQL API, described in afluente.yaml alone: `connector: graphql_poll` with a query and where its records are.

What stands here is what a source without options would do; docs/poll-an-api.md says what may be set.
Its address is the sandbox's, which plays such an API.
"""

from connectors.kit import Connector, Cursor, PageToken, Poll, Secret
from connectors.kit.sources.configured.options import GraphQlPollOptions

CONNECTOR = Connector(
    source="graphql_poll",
    title="GraphQL API",
    owner="@afluente/sources",
    docs_url="https://graphql.org/learn/pagination/",
    intake=Poll(
        url="http://127.0.0.1:8081/providers/graphql_poll/graphql",
        method="POST",
        records_at="data.leads.nodes",
        pages=PageToken(param="after", at="data.leads.pageInfo.endCursor", more_at="data.leads.pageInfo.hasNextPage"),
        cursor=Cursor(param="since", field="updatedAt", lookback_seconds=60),
        body={
            "query": "query($after: String, $since: String) { leads(after: $after, since: $since)"
            " { nodes { id updatedAt email name phone } pageInfo { hasNextPage endCursor } } }",
            "variables": {"after": "{after}", "since": "{since}"},
        },
        errors_at="errors",
        token=Secret("GRAPHQL_POLL_TOKEN"),
    ),
    lane="bulk",
    event_id="id",
    occurred_at="updatedAt",
    configured_by=GraphQlPollOptions,
)
