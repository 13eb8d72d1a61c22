"""Polls against a real server: every record once, politely, and never in circles."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.kit import ConfigurationError, Cursor, PageNumber, Poll, QuotaError, TerminalError, TransientError
from connectors.kit.http import session
from connectors.kit.sources.auth import FixedAccess
from connectors.kit.sources.auth.marks import bearer_mark
from connectors.kit.sources.polling import MAX_WAITS_PER_PAGE, poll_pages

START = datetime(2026, 3, 1, tzinfo=UTC)


def lead(number):
    moment = START + timedelta(hours=number)
    return {"id": f"l-{number}", "updated_at": moment.isoformat().replace("+00:00", "Z")}


def answer(records, **more):
    return 200, {}, json.dumps({"leads": records, **more}).encode()


class Paced:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def clock(self):
        return self.now


def run(server, *, position=None, access=None, pace=None, **facts):
    pace = pace or Paced()
    poll = Poll(url=f"{server.url}/feed", records_at="leads", **{"rate_per_second": 1000.0, **facts})
    return poll_pages(
        poll, position=position, access=access, session=session(server.url), sleep=pace.sleep, clock=pace.clock
    )


def ids(pages):
    return [record["id"] for page in pages for record in page.records]


PAGED = {"pages": PageNumber(size=2), "cursor": Cursor(param="updated_after", field="updated_at", lookback_seconds=60)}


def test_three_pages_are_read_once_each_until_a_short_one(server):
    server.script = [answer([lead(1), lead(2)]), answer([lead(3), lead(4)]), answer([lead(5)])]
    pages = list(run(server, **PAGED))
    assert ids(pages) == ["l-1", "l-2", "l-3", "l-4", "l-5"]
    assert [page.is_last for page in pages] == [False, False, True]
    assert [call["query"] for call in server.asked] == [{"page": str(n), "limit": "2"} for n in (1, 2, 3)]


def test_the_next_run_asks_from_the_greatest_time_less_the_lookback(server):
    server.script = [answer([lead(2), lead(5)]), answer([])]
    *_, last = run(server, **PAGED)
    list(run(server, position=last.next_position, **PAGED))
    assert server.asked[-1]["query"] == {"updated_after": "2026-03-01T04:59:00Z", "page": "1", "limit": "2"}


def test_what_took_several_pages_is_read_once_more_before_the_cursor_moves(server):
    server.script = [answer([lead(2), lead(5)]), answer([lead(4)]), answer([]), answer([lead(2)]), answer([])]
    position = list(run(server, **PAGED))[-1].next_position
    position = list(run(server, position=position, **PAGED))[-1].next_position
    assert "updated_after" not in server.asked[3]["query"]
    list(run(server, position=position, **PAGED))
    assert server.asked[-1]["query"]["updated_after"] == "2026-03-01T04:59:00Z"


def test_nothing_new_keeps_the_position(server):
    server.script = [answer([lead(1)]), answer([])]
    first = list(run(server, **PAGED))[-1].next_position
    assert list(run(server, position=first, **PAGED))[-1].next_position == first


def test_a_run_cut_short_goes_on_one_page_earlier_under_the_same_filter(server):
    server.script = [
        answer([lead(1), lead(2)]),
        answer([lead(3), lead(4)]),
        answer([lead(3), lead(4)]),
        answer([lead(5)]),
    ]
    pages = run(server, **PAGED)
    next(pages)
    position = next(pages).next_position
    assert ids(run(server, position=position, **PAGED)) == ["l-3", "l-4", "l-5"]
    assert [call["query"]["page"] for call in server.asked[2:]] == ["2", "3"]
    assert "updated_after" not in server.asked[2]["query"]


def test_a_source_that_ignores_the_page_number_is_stopped(server):
    server.script = [answer([lead(1), lead(2)])]
    pages = list(run(server, **PAGED))
    assert ids(pages) == ["l-1", "l-2"]
    assert pages[-1].is_last
    assert len(server.asked) == 3
    assert any("does not know the parameter page" in note for page in pages for note in page.notes)


TOKENS = {"cursor": Cursor(param="after", next_at="next")}


def test_a_source_that_says_it_has_no_more_is_believed_though_it_names_a_token(server):
    server.script = [answer([lead(1)], next="a", has_more=False), answer([lead(2)], next="b", has_more=False)]
    (page,) = run(server, **TOKENS)
    assert page.is_last
    assert ids(run(server, position=page.next_position, **TOKENS)) == ["l-2"]
    assert server.asked[1]["query"] == {"after": "a"}


def test_a_token_that_the_source_has_forgotten_is_read_from_the_beginning(server):
    server.script = [answer([lead(1)], next="a"), answer([], next="a"), (410, {}, b""), answer([lead(1), lead(2)])]
    position = list(run(server, **TOKENS))[-1].next_position
    pages = list(run(server, position=position, **TOKENS))
    assert ids(pages) == ["l-1", "l-2"]
    assert "no longer knows" in pages[0].notes[0]


def test_tokens_are_followed_to_the_end(server):
    server.script = [answer([lead(1)], next="a"), answer([lead(2)], next="b"), answer([lead(3)])]
    pages = list(run(server, **TOKENS))
    assert ids(pages) == ["l-1", "l-2", "l-3"]
    assert [call["query"] for call in server.asked] == [{}, {"after": "a"}, {"after": "b"}]
    assert [page.is_last for page in pages] == [False, False, True]


def test_a_lasting_token_is_kept_for_the_next_run(server):
    server.script = [
        answer([lead(1)], next="a"),
        answer([], next="a"),
        answer([lead(2)], next="b"),
        answer([], next="b"),
    ]
    position = list(run(server, **TOKENS))[-1].next_position
    assert ids(run(server, position=position, **TOKENS)) == ["l-2"]
    assert server.asked[2]["query"] == {"after": "a"}


@pytest.mark.parametrize("circle", [["a"], ["a", "b"]], ids=["itself", "each other"])
def test_a_token_that_comes_back_stops_the_poll_after_its_records(server, circle):
    server.script = [answer([lead(number)], next=circle[number % len(circle)]) for number in range(10)]
    pages = run(server, **TOKENS)
    read = ids(next(pages) for _ in range(len(circle) + 1))
    with pytest.raises(TerminalError, match="repeats itself"):
        next(pages)
    assert read == [f"l-{number}" for number in range(len(circle) + 1)]


VALUES = {"cursor": Cursor(param="since", field="updated_at", lookback_seconds=3600)}


def test_without_pages_the_value_is_moved_until_nothing_newer_comes(server):
    server.script = [answer([lead(1), lead(2)]), answer([lead(3)]), answer([])]
    pages = list(run(server, **VALUES))
    assert ids(pages) == ["l-1", "l-2", "l-3"]
    # The last second is asked for again: others of it may not have found room.
    assert [call["query"].get("since") for call in server.asked] == [
        None,
        "2026-03-01T01:59:59Z",
        "2026-03-01T02:59:59Z",
    ]


def test_a_lookback_that_fills_the_answer_does_not_hide_what_is_newer(server):
    server.script = [answer([lead(2)]), answer([]), answer([lead(2)]), answer([lead(3)]), answer([])]
    position = list(run(server, **VALUES))[-1].next_position
    assert ids(run(server, position=position, **VALUES)) == ["l-2", "l-3"]


def test_numbers_and_epochs_are_compared_as_such(server):
    values = [{"id": "a", "n": 9}, {"id": "b", "n": 10}]
    facts = {"cursor": Cursor(param="since", field="n")}
    server.script = [answer(values), answer([])]
    list(run(server, **facts))
    assert server.asked[1]["query"] == {"since": "10"}
    epochs = {"cursor": Cursor(param="since", field="n", lookback_seconds=60)}
    server.script = [answer([{"id": "a", "n": 1772442895}]), answer([]), answer([])]
    position = list(run(server, **epochs))[-1].next_position
    list(run(server, position=position, **epochs))
    assert server.asked[-1]["query"] == {"since": "1772442835"}


def test_a_429_waits_as_told_and_reads_the_same_page_again(server):
    pace = Paced()
    server.script = [(429, {"Retry-After": "7"}, b""), answer([lead(1)])]
    assert ids(run(server, pace=pace, **PAGED)) == ["l-1"]
    assert 7 in pace.slept
    assert server.asked[0]["query"] == server.asked[1]["query"]


def test_a_long_wait_is_handed_on_instead_of_slept(server):
    pace = Paced()
    server.script = [(429, {"Retry-After": "600"}, b"")]
    with pytest.raises(QuotaError) as caught:
        list(run(server, pace=pace, **PAGED))
    assert caught.value.retry_after == 600
    assert pace.slept == []


def test_a_source_that_only_says_429_is_left_alone_after_a_few_waits(server):
    server.script = [(429, {"Retry-After": "1"}, b"")]
    with pytest.raises(QuotaError):
        list(run(server, **PAGED))
    assert len(server.asked) == MAX_WAITS_PER_PAGE + 1


def test_calls_keep_the_declared_pace(server):
    pace = Paced()
    server.script = [answer([lead(n), lead(n + 1)]) for n in (1, 3, 5)] + [answer([])]
    list(run(server, pace=pace, **{**PAGED, "rate_per_second": 4.0}))
    assert pace.slept == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ((401, {}, b""), TerminalError),
        ((500, {}, b""), TransientError),
        ((200, {}, b"<html>"), TransientError),
        ((200, {}, b'{"items":[]}'), TerminalError),
        ((200, {}, b'{"leads":[1]}'), TerminalError),
        (None, TransientError),
    ],
    ids=["401", "500", "html", "no list", "no objects", "hung up"],
)
def test_each_failure_says_whether_to_come_back(server, said, error):
    server.script = [said]
    with pytest.raises(error):
        list(run(server, **PAGED))


CODES = {"code_at": "error.code", "codes": {190: "token", 4: "quota", 2: "retry", 100: "gone"}}


@pytest.mark.parametrize(
    ("code", "error"), [(190, TerminalError), (4, QuotaError), (2, TransientError), (100, TerminalError)]
)
def test_a_declared_code_says_what_a_refusal_means_whatever_its_status(server, code, error):
    server.script = [(400, {"Retry-After": "99"}, b'{"error":{"code":%d,"message":"of somebody"}}' % code)]
    with pytest.raises(error) as caught:
        list(run(server, **PAGED, **CODES))
    assert "somebody" not in str(caught.value)


@pytest.mark.parametrize("body", [b'{"error":{"code":"190"}}', b'{"error":{"code":true}}', b"[]", b"<html>", b""])
def test_a_refusal_without_a_code_is_told_by_its_status(server, body):
    server.script = [(400, {}, body)]
    with pytest.raises(TerminalError, match="answered 400; the address or the request"):
        list(run(server, **PAGED, **CODES))


def test_the_token_is_sent_as_a_bearer_and_shown_nowhere(server):
    server.script = [(401, {}, b"")]
    with pytest.raises(TerminalError) as caught:
        list(run(server, access=FixedAccess([bearer_mark("secret")]), **PAGED))
    assert server.asked[0]["headers"]["Authorization"] == "Bearer secret"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("position", ["", "nonsense", "[1]", '{"unknown":1}'])
def test_an_unreadable_position_says_what_to_do(server, position):
    with pytest.raises(ConfigurationError, match="cursors"):
        run(server, position=position, **PAGED)


def test_half_an_emoji_or_an_endless_number_in_one_record_does_not_stop_the_feed(server):
    broken = b'{"leads":[{"id":"l-1","name":"\\ud83d","number":' + b"9" * 400 + b'},{"id":"l-2"}]}'
    server.script = [(200, {}, broken)]
    assert ids(list(run(server))) == ["l-1", "l-2"]
