"""Each way from page to page, over real sockets: every record comes in, wherever a run is cut."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit import (
    Cursor,
    LinkHeader,
    NextLink,
    Offset,
    PageNumber,
    PageToken,
    Poll,
    QuotaError,
    TerminalError,
    TimeWindow,
    TransientError,
)
from connectors.kit.http import session
from connectors.kit.sources.polling import poll_pages
from tests.support.paged_api import WAYS, PagedApi, serving_api
from tests.support.properties import examples

START = datetime(2026, 3, 1, tzinfo=UTC)
GRAPHQL = {
    "query": "query Leads($after: String, $since: String) { leads(after: $after) { edges { node { id } } } }",
    "variables": {"after": "{after}", "since": "{since}", "first": 3},
}
PAGES = {
    "offset": Offset(size=3),
    "token": PageToken(param="page_token", at="next_page"),
    "next link": NextLink(at="links.next"),
    "link header": LinkHeader(),
    "graphql": PageToken(param="after", at="data.leads.pageInfo.endCursor", more_at="data.leads.pageInfo.hasNextPage"),
}


def lead(number: int, at: int | None = None) -> dict[str, str]:
    moment = START + timedelta(seconds=number if at is None else at)
    return {"id": f"l-{number}", "updated_at": moment.isoformat().replace("+00:00", "Z")}


def poll_of(api: PagedApi, **facts: object) -> Poll:
    given = {"records_at": "leads", "pages": PAGES[api.way], "rate_per_second": 1e6}
    given["cursor"] = Cursor(param="since", field="updated_at", lookback_seconds=60)
    if api.way == "graphql":
        given |= {"records_at": "data.leads.edges[*].node", "method": "POST", "body": GRAPHQL, "errors_at": "errors"}
    return Poll(url=api.url, **{**given, **facts})


def read(poll: Poll, position: str | None = None, *, most: int = 10_000) -> tuple[list, str | None]:
    pages = []
    with session(poll.url) as http:
        for page in poll_pages(poll, position=position, session=http, sleep=lambda _seconds: None):
            pages.append(page)
            position = page.next_position
            if len(pages) == most:
                break
    return pages, position


def read_until(poll: Poll, refusal: str) -> list[str]:
    """The ids of the records that came before a human was called."""
    found: list[str] = []
    with session(poll.url) as http:
        pages = poll_pages(poll, position=None, session=http)
        with pytest.raises(TerminalError, match=refusal):
            found.extend(record["id"] for page in pages for record in page.records)
    return found


def ids(pages: list) -> list[str]:
    return [record["id"] for page in pages for record in page.records]


@pytest.fixture(params=WAYS)
def api(request):
    with serving_api(PagedApi([lead(number) for number in range(10)], request.param, most=3)) as running:
        yield running


def test_all_pages_are_read_and_the_next_runs_ask_for_what_is_newer(api):
    pages, position = read(poll_of(api))
    assert ids(pages) == [f"l-{number}" for number in range(10)]
    assert pages[-1].is_last
    assert len(api.asked) <= 5
    _, position = read(poll_of(api), position)  # once more, as several pages were read
    api.records.append(lead(900))
    calls = len(api.asked)
    pages, _ = read(poll_of(api), position)
    assert "l-900" in ids(pages)
    assert api.asked[calls].given["since"] == "2026-02-28T23:59:09Z"


def test_a_run_that_was_cut_short_goes_on_where_it_was(api):
    first, position = read(poll_of(api), most=2)
    rest, _ = read(poll_of(api), position)
    assert set(ids(first) + ids(rest)) == {f"l-{number}" for number in range(10)}
    assert len(ids(rest)) < 10


@settings(max_examples=examples(30))  # up to hundreds of calls each
@given(
    moments=st.lists(st.integers(0, 200), max_size=25),
    most=st.integers(1, 9),
    way=st.sampled_from(WAYS),
    is_inclusive=st.booleans(),
    tells=st.booleans(),
    newest_first=st.booleans(),
    doubled=st.booleans(),
    windowed=st.booleans(),
    step=st.integers(2, 90),
    cuts=st.lists(st.integers(1, 4), max_size=4),
)
@pytest.mark.long
def test_every_record_comes_in_whatever_the_way_and_wherever_a_run_is_cut(
    moments, most, way, is_inclusive, tells, newest_first, doubled, windowed, step, cuts
):
    records = [lead(number, at) for number, at in enumerate(sorted(moments, reverse=newest_first))]
    listed = [record for record in records for _ in range(1 + doubled)]
    api = PagedApi(listed, way, most=most, is_inclusive=is_inclusive, tells=tells)
    found: set[str] = set()
    with serving_api(api):
        poll = poll_of(api)
        if windowed and way != "graphql":
            window = TimeWindow("from", "to", begin="2026-03-01", step_seconds=step, pages=PAGES[way])
            poll = poll_of(api, cursor=None, pages=window)
        now = START + timedelta(seconds=300)
        position = None
        for cut in [*cuts, *[10_000] * 3]:
            with session(poll.url) as http:
                pages = poll_pages(poll, position=position, session=http, now=lambda: now)
                for count, page in enumerate(pages, start=1):
                    found |= {record["id"] for record in page.records}
                    position = page.next_position
                    if count == cut:
                        break
            if cut == 10_000:
                assert page.is_last
    assert found == {record["id"] for record in records}


def test_an_offset_goes_on_by_what_came_where_the_server_gives_less_than_was_asked():
    with serving_api(PagedApi([lead(number) for number in range(10)], most=4)) as api:
        pages, _ = read(poll_of(api, pages=Offset(size=500)))
        assert ids(pages) == [f"l-{number}" for number in range(10)]
        assert [asked.query["offset"] for asked in api.asked] == ["0", "4", "8"]


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.2:1", "https://evil.example.com", "ftp://127.0.0.1", "http://[broken"]
)
@pytest.mark.parametrize("way", ["next link", "link header"])
def test_an_address_at_another_host_is_never_asked_and_the_page_before_it_is_kept(way, elsewhere):
    with serving_api(PagedApi([lead(number) for number in range(9)], way, most=3, host=elsewhere)) as api:
        assert read_until(poll_of(api), "another host") == ["l-0", "l-1", "l-2"]
        assert len(api.asked) == 1


@pytest.mark.parametrize("way", ["token", "next link", "graphql"])
def test_a_place_that_comes_back_stops_the_poll_after_its_records(way):
    with serving_api(PagedApi([lead(number) for number in range(9)], way, most=3)) as api:

        def again(asked):
            listed = [lead(100 + len(api.asked))]
            info = {"hasNextPage": True, "endCursor": "3"}
            return (
                200,
                {},
                json.dumps(
                    {"leads": listed, "next_page": "3", "links": {"next": "/leads?after=3"}}
                    if way != "graphql"
                    else {"data": {"leads": {"edges": [{"node": record} for record in listed], "pageInfo": info}}}
                ).encode(),
            )

        api.answers = [again] * 5
        assert len(read_until(poll_of(api), "repeats itself")) == 2
        assert len(api.asked) == 2


@pytest.mark.short(1)
@pytest.mark.parametrize("way", ["token", "next link", "graphql"])
def test_new_places_without_end_and_without_records_are_left_with_a_note(way):
    with serving_api(PagedApi([], way)) as api:

        def more(asked):
            place = str(len(api.asked))
            info = {"hasNextPage": True, "endCursor": place}
            return (
                200,
                {},
                json.dumps(
                    {"leads": [], "next_page": place, "links": {"next": f"/leads?after={place}"}}
                    if way != "graphql"
                    else {"data": {"leads": {"edges": [], "pageInfo": info}}}
                ).encode(),
            )

        api.answers = [more] * 200
        pages, _ = read(poll_of(api))
        assert pages[-1].is_last
        assert len(api.asked) <= 51
        assert any("was not read" in note for page in pages for note in page.notes)


def test_a_place_that_the_source_has_forgotten_is_read_from_the_beginning():
    with serving_api(PagedApi([lead(number) for number in range(9)], "token", most=3)) as api:
        _, position = read(poll_of(api), most=1)
        api.answers = [(410, {}, b"")]
        pages, _ = read(poll_of(api), position)
        assert ids(pages) == [f"l-{number}" for number in range(9)]
        assert "no longer knows" in pages[0].notes[0]


def test_a_credential_in_an_address_is_neither_kept_nor_lost():
    with serving_api(PagedApi([lead(number) for number in range(9)], "next link", most=3)) as api:
        poll = poll_of(api)
        with_key = Poll(url=f"{api.url}?api_key=k-1", records_at="leads", pages=poll.pages, cursor=poll.cursor)
        _, position = read(with_key, most=1)
        assert "k-1" not in position
        read(with_key, position)
        assert {asked.query["api_key"] for asked in api.asked} == {"k-1"}


def test_parameters_headers_and_a_body_are_sent_with_each_call():
    with serving_api(PagedApi([lead(number) for number in range(5)], "offset", most=3)) as api:
        body = {"filter": {"op": "gt", "value": "{since}"}, "paging": {"offset": "{offset}"}, "words": ["a", "{since}"]}
        poll = poll_of(
            api,
            method="POST",
            body=body,
            params={"status": "new", "q": "updated>={since} AND x=1"},
            headers={"X-Version": "7"},
        )
        _, position = read(poll, most=1)
        first = api.asked[0]
        assert (first.method, first.headers["X-Version"]) == ("POST", "7")
        assert first.query == {"status": "new", "limit": "3"}
        assert first.body == {"filter": {"op": "gt"}, "paging": {"offset": 0}, "words": ["a"]}
        position = json.dumps({"after": "2026-03-01T00:00:03Z"})
        read(poll, position)
        assert api.asked[-1].query["q"] == "updated>=2026-02-28T23:59:03Z AND x=1"
        assert api.asked[-1].body["words"] == ["a", "2026-02-28T23:59:03Z"]


def test_a_number_is_sent_as_one_where_the_body_wants_it():
    with serving_api(PagedApi([], "offset")) as api:
        cursor = Cursor(param="since", field="n")
        poll = poll_of(api, method="POST", cursor=cursor, body={"n": "{since:number}", "text": "{since}"})
        read(poll, json.dumps({"after": "17"}))
        assert (api.asked[0].body["n"], api.asked[0].body["text"]) == (17, "17")


def test_a_value_that_would_leave_its_text_is_refused():
    with serving_api(PagedApi([], "offset")) as api:
        poll = poll_of(api, params={"q": "name > '{since}'"}, cursor=Cursor(param="since", field="name"))
        with pytest.raises(TerminalError, match="inside a text"):
            read(poll, json.dumps({"after": "x' OR '1'='1"}))
        assert api.asked == []


def graphql_errors(*errors: dict, edges: list | None = None) -> tuple[int, dict[str, str], bytes]:
    data = None if edges is None else {"leads": {"edges": edges, "pageInfo": {"hasNextPage": False}}}
    return 200, {}, json.dumps({"data": data, "errors": list(errors)}).encode()


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ({"message": "Throttled", "extensions": {"code": "THROTTLED"}}, QuotaError),
        ({"message": "You exceeded the rate limit"}, QuotaError),
        ({"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}, TransientError),
        ({"message": "x", "extensions": {"code": "UNAUTHENTICATED"}}, TerminalError),
        ({"message": "Field 'mail' doesn't exist on ada@example.org", "path": ["leads"]}, TerminalError),
        ({"message": "x", "path": ["leads", "edges"]}, TerminalError),
    ],
    ids=["throttled", "limit", "internal", "unauthenticated", "field", "list"],
)
@pytest.mark.parametrize("edges", [None, [{"node": lead(1)}]], ids=["no data", "partial data"])
def test_an_error_of_graphql_says_what_to_do_next_and_nothing_of_the_page_is_taken(error, wanted, edges):
    with serving_api(PagedApi([], "graphql")) as api:
        api.answers = [graphql_errors(error, edges=edges)] * 4
        with pytest.raises(wanted) as caught:
            read(poll_of(api))
        assert "example.org" not in str(caught.value)


def test_an_error_inside_one_record_sets_that_one_aside_and_the_others_come_in():
    with serving_api(PagedApi([], "graphql")) as api:
        error = {"message": "no rights", "path": ["leads", "edges", 1, "node", "email"]}
        api.answers = [graphql_errors(error, edges=[{"node": lead(number)} for number in range(3)])]
        pages, _ = read(poll_of(api))
        assert ids(pages) == ["l-0", "l-2"]
        (rejected,) = pages[0].rejected
        assert (rejected.index, "not whole" in rejected.why) == (1, True)


def windows(api: PagedApi, **facts: object) -> Poll:
    return poll_of(api, cursor=None, pages=TimeWindow("from", "to", begin="2026-03-01T00:00:00Z", **facts))


def read_at(poll: Poll, now: datetime, position: str | None = None) -> tuple[list, str | None]:
    with session(poll.url) as http:
        pages = list(poll_pages(poll, position=position, session=http, now=lambda: now))
    return pages, pages[-1].next_position


def test_windows_go_on_to_now_and_never_beyond():
    with serving_api(PagedApi([lead(0, 10), lead(1, 5_000), lead(2, 9_000)])) as api:
        pages, position = read_at(windows(api, step_seconds=3_600), START + timedelta(hours=2, minutes=40))
        assert ids(pages) == ["l-0", "l-1", "l-2"]
        assert [(asked.query["from"], asked.query["to"]) for asked in api.asked] == [
            ("2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"),
            ("2026-03-01T00:59:59Z", "2026-03-01T02:00:00Z"),
            ("2026-03-01T01:59:59Z", "2026-03-01T02:40:00Z"),
        ]
        pages, _ = read_at(windows(api, step_seconds=3_600), START + timedelta(hours=3), position)
        assert api.asked[-1].query == {"from": "2026-03-01T02:35:00Z", "to": "2026-03-01T03:00:00Z"}


@pytest.mark.parametrize(
    ("written", "sent"),
    [("iso", "2026-03-01T00:00:00Z"), ("date", "2026-03-01"), ("unix", "1772323200"), ("unix_ms", "1772323200000")],
)
def test_a_window_is_written_as_the_source_wants_it(written, sent):
    with serving_api(PagedApi()) as api:
        read_at(windows(api, written=written), START + timedelta(hours=1))
        assert api.asked[0].query["from"] == sent


def test_a_window_of_several_pages_is_read_once_more_before_the_next_begins():
    with serving_api(PagedApi([lead(number) for number in range(4)], most=2)) as api:
        moved = lead(1)

        def move(asked):
            if asked.query.get("offset") == "2" and moved in api.records:
                api.records.remove(api.records[0])

        api.before = move
        pages, _ = read_at(windows(api, pages=Offset(size=2)), START + timedelta(hours=1))
        assert {"l-1", "l-2", "l-3"} <= set(ids(pages))


def test_numbered_pages_stay_as_they_were():
    """A position of the version before is read on."""
    with serving_api(PagedApi([])) as api:
        poll = poll_of(api, pages=PageNumber())
        read(poll, json.dumps({"after": "2026-03-01T00:00:03Z", "page": 3, "greatest": "2026-03-01T00:00:09Z"}))
        assert (api.asked[0].query["page"], api.asked[0].query["since"]) == ("2", "2026-02-28T23:59:03Z")
