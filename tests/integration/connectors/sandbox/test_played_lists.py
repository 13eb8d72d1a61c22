"""What a polled source declares, the sandbox gives: the same declaration reads it, whatever way its pages go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.kit import (
    Cursor,
    LinkHeader,
    NextLink,
    Offset,
    PageNumber,
    PageToken,
    Poll,
    TerminalError,
    TimeWindow,
    sources,
)
from connectors.kit.http import session
from connectors.kit.sources.auth import FixedAccess
from connectors.kit.sources.auth.marks import bearer_mark
from connectors.kit.sources.polling import poll_pages
from connectors.sandbox.providers.listing import Listed, Listing
from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.rehearsed import sample_provider
from connectors.sandbox.providers.server import ProviderServer

START = datetime(2026, 3, 1, tzinfo=UTC)
TOKEN = "let-me-in"
AT = "items"
WAYS = {
    "numbers": {"pages": PageNumber(size=3)},
    "numbers from 0, with a number of pages": {"pages": PageNumber(size=3, first=0, total_pages_at="meta.pages")},
    "offsets": {"pages": Offset(size=3, more_at="paging.more")},
    "tokens": {"pages": PageToken(param="page", at="next_token")},
    "tokens of the last record": {"pages": PageToken(param="before", at="items[-1].id")},
    "tokens with a yes or no": {
        "records_at": "data.leads.edges[*].node",
        "pages": PageToken(param="after", at="data.leads.info.end", more_at="data.leads.info.more"),
        "method": "POST",
        "body": {"query": "{ leads }", "variables": {"after": "{after}", "since": "{since}"}},
        "errors_at": "errors",
    },
    "links": {"pages": NextLink(at="paging.next")},
    "links in a header": {"records_at": None, "pages": LinkHeader()},
    "windows of time": {
        "cursor": None,
        "pages": TimeWindow(
            "from", "to", begin="2026-03-01T00:00:00Z", step_seconds=9, lookback_seconds=10, pages=PageNumber(size=3)
        ),
    },
    "all at once": {},
}


def lead(number: int) -> Listed:
    at = START + timedelta(seconds=3 * number)
    return Listed({"id": f"l-{number}", "updated_at": at.isoformat().replace("+00:00", "Z")}, at)


def read(poll: Poll, *, token: str | None = TOKEN, position: str | None = None) -> tuple[list[str], str | None]:
    found = []
    access = None if token is None else FixedAccess([bearer_mark(token)])
    with session(poll.url) as http:
        pages = poll_pages(
            poll, position=position, access=access, session=http, now=lambda: START + timedelta(minutes=5)
        )
        for page in pages:
            found += [record["id"] for record in page.records]
            position = page.next_position
    return found, position


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def served(request):
    facts = {
        "records_at": AT,
        "cursor": Cursor(param="since", field="updated_at"),
        "rate_per_second": 1e6,
        **request.param,
    }
    declared = Poll(url="https://api.example.com/v1/leads", **facts)
    listing = Listing(declared, [lead(number) for number in range(8)], page_size=3)
    provider = Provider("acme", lists={"/v1/leads": listing}, tokens={TOKEN})
    with ProviderServer(provider) as server:
        yield Poll(url=f"{server.address}/v1/leads", **facts), listing


def test_every_record_is_given_on_the_way_that_is_declared(served):
    poll, _ = served
    found, _ = read(poll)
    assert sorted(set(found)) == [f"l-{number}" for number in range(8)]


def test_only_what_came_later_is_given_to_who_has_read_the_rest(served):
    poll, listing = served
    _, position = read(poll)
    if poll.cursor is not None:  # pages are read once more where records may have moved meanwhile
        _, position = read(poll, position=position)
    listing.entries.append(lead(99))
    found, _ = read(poll, position=position)
    assert "l-99" in found
    assert "l-0" not in found


def test_nobody_is_let_in_without_the_token(served):
    poll, _ = served
    with pytest.raises(TerminalError, match="credentials"):
        read(poll, token="another")


def test_more_at_once_than_the_limit_is_refused():
    poll = Poll(url="https://api.example.com/leads", records_at=AT, pages=PageNumber(size=51))
    listing = Listing(poll, [lead(1)], largest=50)
    with ProviderServer(Provider("acme", lists={"/leads": listing})) as server:
        asked = Poll(url=f"{server.address}/leads", records_at=AT, pages=PageNumber(size=51))
        with pytest.raises(TerminalError, match="400"):
            read(asked)


@pytest.mark.parametrize(("source", "path"), [("rest_poll", "/leads"), ("graphql_poll", "/graphql")])
def test_a_source_described_in_yaml_finds_its_samples_in_the_sandbox(source, path):
    declared = sources()[source].intake
    with ProviderServer(sample_provider(source)) as server:
        facts = {name: getattr(declared, name) for name in Poll.__dataclass_fields__}
        found, _ = read(Poll(**{**facts, "url": server.address + path}))
    assert len(set(found)) == 4  # three of `typical`, one of `minimal`; nothing of `hostile`
