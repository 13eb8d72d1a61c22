"""What a source is asked for a window of time, and the posts that its records are made into."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.kit import ConfigurationError, Offset, Option, Parent, Poll, Reconcile, RecordError, Stream
from connectors.kit.sources.paging.streams import parent_id_of
from connectors.kit.sources.reconciling.asking import parent_target, polls_of_window, pushed_body
from connectors.kit.sources.reconciling.declared import Window

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, 10, 30, tzinfo=UTC))
POLL = Poll(
    url="https://api.acme.example/{account}/entries?fields=(id,name)&range=(start:{from},end:{to})",
    records_at="items",
    pages=Offset(),
    headers={"Version": "{version}"},
)
RECONCILE = Reconcile(
    POLL, dict, options=(Option("account"), Option("version", default="v1")), each="account", written="unix"
)
OPTIONS = {"account": "a/1, b", "version": "v1"}


def asked(reconcile: Reconcile, **more: str) -> Poll:
    return polls_of_window(reconcile, WINDOW, {**OPTIONS, "account": "b"}, **more)[0][0]


def test_an_option_of_several_values_is_asked_for_each_and_quoted_in_the_address():
    polls = polls_of_window(RECONCILE, WINDOW, OPTIONS)
    assert [options["account"] for _, options in polls] == ["a/1", "b"]
    assert [poll.url.split("?")[0] for poll, _ in polls] == [
        "https://api.acme.example/a%2F1/entries",
        "https://api.acme.example/b/entries",
    ]
    assert polls[0][0].headers == {"Version": "v1"}


def test_a_number_is_a_name_too_and_commas_alone_name_nothing():
    assert asked(RECONCILE).url.split("/")[3] == "b"
    ((poll, _),) = polls_of_window(RECONCILE, WINDOW, {**OPTIONS, "account": 123})
    assert poll.url.split("/")[3] == "123"
    with pytest.raises(ConfigurationError, match="account names nothing"):
        polls_of_window(RECONCILE, WINDOW, {**OPTIONS, "account": " , "})


@pytest.mark.parametrize(
    ("written", "begin", "end"),
    [
        ("iso", "2026-02-28T23:59:59Z", "2026-03-03T10:30:01Z"),
        ("date", "2026-02-28", "2026-03-04"),
        ("unix", 1772323199, 1772533801),
        ("unix_ms", 1772323199000, 1772533801000),
    ],
)
def test_a_window_is_asked_for_a_little_wider_in_the_way_the_source_writes_time(written, begin, end):
    params = {"since": "{from}", "filter": '[{"at":{from}},{"at":{to}}]'}
    poll = replace(POLL, params=params, method="POST", body={"range": [{"from": "{from:number}"}], "n": 1})
    told = asked(replace(RECONCILE, poll=poll, written=written))
    assert told.params == {"since": str(begin), "filter": f'[{{"at":{begin}}},{{"at":{end}}}]'}
    assert told.body == {"range": [{"from": begin}], "n": 1}


def test_another_host_takes_the_place_of_the_declared_one_and_the_rest_of_the_address_stays():
    assert asked(RECONCILE, base="http://127.0.0.1:9/x/").url == (
        "http://127.0.0.1:9/x/b/entries?fields=(id,name)&range=(start:1772323199,end:1772533801)"
    )


def test_streams_and_their_parents_know_window_and_options_and_keep_the_place_of_the_parent():
    stream = Stream(
        "leads",
        url="/forms/{parent}/leads/{account}",
        params={"since": "{from}"},
        parent=Parent("/forms/{account}", params={"changed": "{to}"}),
    )
    (told,) = asked(replace(RECONCILE, poll=replace(POLL, streams=(stream,)), written="date")).streams
    assert (told.url, told.params) == ("/forms/{parent}/leads/b", {"since": "2026-02-28"})
    assert told.parent is not None
    assert (told.parent.url, told.parent.params) == ("/forms/b", {"changed": "2026-03-04"})


def test_a_parent_is_read_whole_at_its_own_address_of_the_same_host():
    poll = asked(replace(RECONCILE, poll=replace(POLL, url="https://api.acme.example/forms")))
    target = parent_target(replace(RECONCILE, parent_url="{parent}"), poll, "f/1")
    assert target is not None
    assert (target.url, target.params) == ("https://api.acme.example/forms/f%2F1", {})
    assert target.headers["Version"] == "v1"
    assert parent_target(RECONCILE, poll, "f/1") is None


def test_pushed_may_change_what_it_is_given_and_must_give_a_body():
    listed = {"id": "1", "answers": [1]}

    def spoiling(record, parents):
        record["answers"].append(parents[0]["id"])
        return record

    assert pushed_body(replace(RECONCILE, pushed=spoiling), listed, [{"id": "f-1"}]) == {
        "id": "1",
        "answers": [1, "f-1"],
    }
    assert listed == {"id": "1", "answers": [1]}
    assert pushed_body(replace(RECONCILE, pushed=lambda record: None), listed, []) is None
    with pytest.raises(RecordError, match="list, not a body"):
        pushed_body(replace(RECONCILE, pushed=lambda record: [record]), listed, [])


def test_an_option_says_which_of_several_lists_are_read():
    streams = tuple(Stream(name, url=f"/{name}") for name in ("orders", "customers"))
    reconcile = Reconcile(replace(POLL, streams=streams), dict, options=(Option("lists"),), lists="lists")
    options = {**OPTIONS, "account": "b"}
    for said, read in (("customers", ["customers"]), ("customers, orders", ["orders", "customers"])):
        ((poll, _),) = polls_of_window(reconcile, WINDOW, {**options, "lists": said})
        assert [stream.name for stream in poll.streams] == read
    with pytest.raises(ConfigurationError, match="lists names 'refunds'; known: orders, customers"):
        polls_of_window(reconcile, WINDOW, {**options, "lists": "orders,refunds"})


def test_a_parent_that_is_named_by_its_address_has_the_last_part_of_it_for_an_id():
    parent = Parent("/events", id_at="uri")
    named = {"uri": "https://api.acme.example/events/EV1/"}
    assert parent_id_of(parent, named) == "EV1"
    assert parent_id_of(parent, {"uri": "EV1"}) == "EV1"
    assert parent_id_of(parent, {"uri": "https://api.acme.example"}) is None
    assert parent_id_of(parent, {"uri": ["EV1"]}) is None
