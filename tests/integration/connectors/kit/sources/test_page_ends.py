"""Whatever a feed's way of paging and ending: every record comes in, and reading it ends."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit import Cursor, PageNumber, Poll, TerminalError
from connectors.kit.http import session
from connectors.kit.sources.polling import poll_pages
from tests.support.feeds import BEYOND, TELLING, Feed, serving

START = datetime(2026, 3, 1, tzinfo=UTC)


def lead(number: int, at: int | None = None) -> dict[str, str]:
    moment = START + timedelta(seconds=number if at is None else at)
    return {"id": f"l-{number}", "updated_at": moment.isoformat().replace("+00:00", "Z")}


def leads(count: int) -> list[dict[str, str]]:
    return [lead(number) for number in range(count)]


def poll(feed: Feed, *, size: int = 200, lookback: int = 60, **paging: object) -> Poll:
    return Poll(
        url=feed.url,
        records_at="leads",
        pages=PageNumber(size=size, **paging),
        cursor=Cursor(param="updated_after", field="updated_at", lookback_seconds=lookback),
        rate_per_second=1e6,
    )


def read(declared: Poll, position: str | None = None, *, most: int = 10_000) -> tuple[list, str | None]:
    """One run: its pages, `most` of them, and the position behind them."""
    pages = []
    with session(declared.url) as http:
        for page in poll_pages(declared, position=position, session=http):
            pages.append(page)
            position = page.next_position
            if len(pages) == most:
                break
    return pages, position


def ids(pages: list) -> list[str]:
    return [record["id"] for page in pages for record in page.records]


def ids_of_runs(declared: Poll, runs: int) -> set[str]:
    found: set[str] = set()
    position = None
    for _ in range(runs):
        pages, position = read(declared, position)
        found |= set(ids(pages))
    return found


@pytest.mark.short(5)
@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("tells", TELLING)
def test_a_server_that_gives_less_than_was_asked_is_read_to_its_end(tells, newest_first):
    with serving(Feed(leads(250), tells=tells, most=100, newest_first=newest_first)) as feed:
        pages, _ = read(poll(feed))
    assert sorted(ids(pages)) == sorted(record["id"] for record in feed.records)
    assert pages[-1].is_last
    assert len(feed.asked) <= 4


@pytest.mark.short(5)
@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("tells", TELLING)
def test_a_page_made_short_by_a_filter_is_not_the_end(tells, newest_first):
    with serving(Feed(leads(447), tells=tells, hidden={"l-17", "l-400"}, newest_first=newest_first)) as feed:
        found = ids_of_runs(poll(feed), 3)
    assert found == {record["id"] for record in feed.records} - feed.hidden


@pytest.mark.parametrize("tells", ["has_more", "next", "next_page_url", "total_pages", "total"])
def test_an_empty_page_among_others_is_not_the_end_where_more_are_told_to_follow(tells):
    hidden = {f"l-{number}" for number in range(10, 40)}
    with serving(Feed(leads(60), tells=tells, hidden=hidden)) as feed:
        assert ids_of_runs(poll(feed, size=10), 1) == {record["id"] for record in feed.records} - hidden


@pytest.mark.short(11)
@pytest.mark.parametrize("count", [0, 1, 199, 200, 400, 401])
@pytest.mark.parametrize("beyond", BEYOND)
def test_a_page_past_the_end_is_the_end_whatever_it_looks_like(beyond, count):
    with serving(Feed(leads(count), beyond=beyond, newest_first=True)) as feed:
        pages, position = read(poll(feed))
        assert len(ids(pages)) == count
        assert pages[-1].is_last
        feed.records.append(lead(9_000))
        read(poll(feed), position)
        again, _ = read(poll(feed), position)
    assert "l-9000" in ids(again)


@pytest.mark.parametrize("size", [1, 2, 200])
def test_a_source_that_does_not_know_the_page_number_ends_and_says_so_once(size):
    with serving(Feed(leads(5), knows_pages=False)) as feed:
        pages, _ = read(poll(feed, size=size))
        assert ids(pages) == [f"l-{number}" for number in range(min(size, 5))]
        assert len(feed.asked) == 3
    (note,) = [note for page in pages for note in page.notes]
    assert "does not know the parameter page" in note


@pytest.mark.long
def test_a_source_that_says_more_for_ever_is_left_and_its_records_are_there():
    for feed in (Feed(leads(5), tells="has_more", knows_pages=False), Feed(leads(5), hidden={"l-0", "l-1"})):
        with serving(feed):
            feed.answers = [(200, {}, json.dumps({"leads": leads(5), "has_more": True}).encode())] * 100
            pages, _ = read(poll(feed))
            assert ids(pages) == [f"l-{number}" for number in range(5)]
            assert any("what follows them was not read" in note for page in pages for note in page.notes)
            feed.answers = [(200, {}, b'{"leads": [], "has_more": true}')] * 100
            pages, _ = read(poll(feed))
            assert pages[-1].is_last


def test_what_is_declared_wins_over_what_is_usual():
    body = {"leads": leads(2), "has_more": False, "state": {"weiter": True, "seiten": 3}}
    for paging in ({"more_at": "state.weiter"}, {"total_pages_at": "state.seiten"}):
        with serving(Feed(leads(2))) as feed:
            feed.answers = [(200, {}, json.dumps(body).encode())]
            read(poll(feed, **paging))
            assert len(feed.asked) > 1
    with serving(Feed(leads(4))) as feed:
        feed.answers = [(200, {}, json.dumps({"leads": leads(2), "has_more": True}).encode())]
        read(poll(feed, more_at="state.weiter"))
        assert len(feed.asked) == 1


@pytest.mark.parametrize("said", ["true", 1, "1", True])
def test_yes_is_read_however_it_is_written(said):
    with serving(Feed(leads(2))) as feed:
        feed.answers = [(200, {}, json.dumps({"leads": [lead(7)], "meta": {"more": said}}).encode())]
        read(poll(feed))
        assert len(feed.asked) > 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b'""', b"null", b"{}", b"[]", b'{"leads": null}', b'{"leads": ""}', b'{"leads": {}}'),
        *(b'{"leads": false}', b'{"page": 1, "has_more": false}', b'{"meta": {"total": 0}}'),
    ],
)
def test_nothing_new_is_an_empty_page_however_it_is_written(body):
    with serving(Feed(leads(3))) as feed:
        _, position = read(poll(feed))
        feed.answers = [(200, {}, body)]
        pages, after = read(poll(feed), position)
    assert ids(pages) == []
    assert json.loads(after)["after"] == lead(2)["updated_at"]


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"items": []}', b'{"error": "no"}', b'{"leads": {"a": 1}}', b'{"leads": [1, 2]}'),
        b'{"items": [{"id": 1}], "has_more": false}',
    ],
)
def test_another_format_on_the_first_page_is_for_a_human(body):
    with serving(Feed(answers=[(200, {}, body)])) as feed, pytest.raises(TerminalError, match="no list of objects"):
        read(poll(feed))


def test_a_404_of_the_whole_feed_is_for_a_human_and_keeps_the_place():
    with serving(Feed(leads(30))) as feed:
        _, position = read(poll(feed, size=10), most=2)
        feed.answers = [(404, {}, b"")] * 3
        with pytest.raises(TerminalError, match="404"):
            read(poll(feed, size=10), position)


def test_a_page_that_fails_in_the_middle_is_not_the_end():
    with serving(Feed(leads(30), newest_first=True, tells="has_more")) as feed:
        pages, position = read(poll(feed, size=10), most=1)
        feed.answers = [feed.answer({"limit": "10"}), (404, {}, b"")]
        pages, position = read(poll(feed, size=10), position)
        assert pages[-1].is_last
        pages, _ = read(poll(feed, size=10), position)
    assert set(ids(pages)) == {record["id"] for record in feed.records}


def changing(feed: Feed, change) -> None:
    """Change the list once, before its second page is answered."""

    def once(number: int) -> None:
        if number == 2:
            feed.before_page = lambda _number: None
            change()

    feed.before_page = once


@pytest.mark.short(5)
@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("tells", ["has_more", "nothing"])
@pytest.mark.parametrize("change", ["deleted", "updated", "one comes", "a whole page comes"])
def test_records_that_move_to_another_page_while_it_is_read_are_not_lost(change, tells, newest_first):
    feed = Feed(leads(12), tells=tells, newest_first=newest_first)

    def move() -> None:
        first = feed.records[-1] if newest_first else feed.records[0]
        if change == "deleted":
            feed.records.remove(first)
        elif change == "updated":
            feed.records[feed.records.index(first)] = {**first, "updated_at": lead(50)["updated_at"]}
        else:
            feed.records.extend(lead(number) for number in range(60, 63 if change == "a whole page comes" else 61))

    with serving(feed):
        changing(feed, move)
        found = ids_of_runs(poll(feed, size=3), 3)
    assert found >= {record["id"] for record in feed.records}


@given(
    moments=st.lists(st.integers(0, 200), max_size=25),
    size=st.integers(1, 9),
    most=st.integers(1, 9),
    tells=st.sampled_from(TELLING),
    beyond=st.sampled_from(BEYOND),
    newest_first=st.booleans(),
    is_inclusive=st.booleans(),
    lookback=st.sampled_from([0, 60]),
    hidden=st.sets(st.integers(0, 24), max_size=3),
    cuts=st.lists(st.integers(1, 4), max_size=4),
)
@pytest.mark.long
def test_every_record_comes_in_whatever_the_pages_and_wherever_a_run_is_cut(
    moments, size, most, tells, beyond, newest_first, is_inclusive, lookback, hidden, cuts
):
    records = [lead(number, at) for number, at in enumerate(moments)]
    if tells == "nothing" and min(size, most) <= len(hidden):
        hidden = set()  # a page of which nothing is left is then the end for everybody
    feed = Feed(records, newest_first, tells, beyond, most, {f"l-{number}" for number in hidden})
    feed.is_inclusive = is_inclusive
    found: set[str] = set()
    with serving(feed):
        declared = poll(feed, size=size, lookback=lookback)
        position = None
        for cut in [*cuts, *[10_000] * 12]:
            pages, position = read(declared, position, most=cut)
            found |= set(ids(pages))
            if cut == 10_000:
                assert pages[-1].is_last
    assert found == {record["id"] for record in records} - feed.hidden


@pytest.mark.parametrize("lookback", [0, 1, 60])
def test_those_of_one_second_come_in_where_only_values_are_sent(lookback):
    records = [lead(number, at=number // 3) for number in range(20)]
    with serving(Feed(records, most=4)) as feed:
        declared = dataclasses.replace(poll(feed, lookback=lookback), pages=None)
        assert ids_of_runs(declared, 2) == {record["id"] for record in records}
