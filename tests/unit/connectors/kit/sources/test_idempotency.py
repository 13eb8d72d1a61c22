"""What makes a second delivery harmless."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.kit import Api, Connector
from connectors.kit.sources.idempotency import event_id_of, idempotency_digest, occurred_at_of, revised_at_of

CONNECTOR = Connector(
    source="s", title="", owner="", docs_url="", intake=Api(), event_id="meta.id", occurred_at="meta.at"
)


def digest(record, **more):
    return idempotency_digest(CONNECTOR, record, **more)


def test_a_digest_has_32_bytes():
    assert len(digest({"a": 1})) == 32


def test_the_sources_own_id_decides_whatever_else_changed():
    assert digest({"meta": {"id": "e-1"}, "a": 1}) == digest({"a": 2, "meta": {"id": "e-1", "attempt": 2}})
    assert digest({"meta": {"id": "e-1"}}) != digest({"meta": {"id": "e-2"}})
    assert digest({"meta": {"id": 7}}) == digest({"meta": {"id": "7"}})


def test_of_several_paths_the_last_names_the_record_and_those_before_it_tell_what_of_it():
    connector = replace(CONNECTOR, event_id=("kind", "property", "id"))
    assert event_id_of(connector, {"kind": "changed", "property": "name", "id": 7}) == "changed name 7"
    assert event_id_of(connector, {"kind": "made", "id": "7"}) == "made 7"
    assert event_id_of(connector, {"kind": "made", "property": "name", "id": None}) is None
    assert event_id_of(connector, {"kind": ["made"], "id": 0}) is None


def test_without_an_id_the_header_that_stays_the_same_over_retries_decides():
    assert digest({"at": 1}, header_value="msg_1") == digest({"at": 2}, header_value="msg_1")
    assert digest({}, header_value="msg_1") != digest({}, header_value="msg_2")


def test_several_records_under_one_header_stay_apart():
    assert digest({"a": 1}, header_value="msg_1", index=0) != digest({"a": 1}, header_value="msg_1", index=1)


def test_without_either_the_content_decides_and_the_order_of_keys_does_not():
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})


def test_an_id_a_header_and_a_content_never_meet():
    same = {digest({"meta": {"id": "x#0"}}), digest({}, header_value="x"), digest({"x": 0})}
    assert len(same) == 3


def test_an_empty_or_odd_id_is_no_id():
    for odd in ("", "  ", None, True, [], {"a": 1}, 1.5):
        assert event_id_of(CONNECTOR, {"meta": {"id": odd}}) is None
    assert digest({"meta": {"id": ""}, "a": 1}) != digest({"meta": {"id": ""}, "a": 2})


def test_the_time_of_a_record_is_aware_and_utc_or_absent():
    moment = occurred_at_of(CONNECTOR, {"meta": {"at": "2026-03-02T10:00:00+01:00"}})
    assert moment == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert occurred_at_of(CONNECTOR, {"meta": {"at": "soon"}}) is None


def test_where_the_first_delivery_stands_the_earlier_one_was_changed_later():
    connector = replace(CONNECTOR, revisions="first", revised_at="changed")
    first, second, unsaid = (
        revised_at_of(connector, {"meta": {"at": at}, "changed": "2026-03-09"})
        for at in ("2026-03-02T09:00:00Z", "2026-03-02T09:00:01Z", None)
    )
    assert first - second == timedelta(seconds=1)
    assert unsaid is None
