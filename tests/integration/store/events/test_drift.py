"""Drift is counted once per settled event, without personal data, within bounds; and shown where people look."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from pipeline import flow
from pipeline.health.drift import current_drift, drifting_fields
from pipeline.health.installation_gauges import InstallationGauges
from pipeline.records import Lead, new_id
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events.drift import PATHS_OF_A_SOURCE, REST, count_drift, read_drift
from tests.support.command_line import answer, capture, run, work
from tests.support.store_rows import NOON

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def form(number: int, **more) -> dict:
    return {"submission_id": f"s-{number}", "fields": {"email": f"ada{number}@example.org", **more}}


def counted() -> dict[str, int]:
    with transaction() as connection:
        return {row.path: row.leads for row in read_drift(connection)}


def test_names_that_a_stranger_invents_keep_no_later_field_from_being_named():
    for post in range(8):
        capture(
            form(post, **{f"junk_{post}_{chr(97 + n // 26)}{chr(97 + n % 26)}": 1 for n in range(45)}),
            source="web_form",
        )
        work()
    capture(form(100, budget="10k"), source="web_form")
    work()
    found = counted()
    assert found["fields.budget"] == 1
    assert len(found) <= PATHS_OF_A_SOURCE + 1
    assert sum(found.values()) == 8 * 45 + 1, "what made room is counted with the rest"


def test_fields_of_many_leads_are_not_pushed_out_by_fields_of_one():
    for number in range(3):
        capture(form(number, **{f"real_{chr(97 + n)}": 1 for n in range(20)}), source="web_form")
        work()
    for post in range(8):
        capture(
            form(50 + post, **{f"junk_{post}_{chr(97 + n // 26)}{chr(97 + n % 26)}": 1 for n in range(45)}),
            source="web_form",
        )
        work()
    found = counted()
    assert [name for name in found if name.startswith("fields.real_") and found[name] == 3].__len__() == 20


def test_each_settled_event_is_counted_once_for_each_of_its_undecided_fields():
    capture(form(1, shoe_size=38), form(2, shoe_size=39, pets=[{"name": "Rex"}]), form(3), source="web_form")
    work()
    assert counted() == {"fields.shoe_size": 2, "fields.pets": 1}
    capture(form(1, shoe_size=38), source="web_form")
    work()
    assert counted() == {"fields.shoe_size": 2, "fields.pets": 1}, "a repeated event is no new one"


def test_what_waits_or_is_suppressed_is_not_counted():
    waiting = {"submission_id": "s-1", "fields": {"shoe_size": 38}}
    suppressed = form(2, shoe_size=38) | {"hp": "filled"}
    capture(waiting, suppressed, source="web_form")
    work()
    assert counted() == {}


def test_a_chain_that_runs_twice_counts_once():
    capture(form(1, shoe_size=38), source="web_form")
    claim = flow.claim_batch("hot") or flow.claim_batch("bulk")
    assert claim is not None
    mapped = flow.normalize_batch(flow.map_claim(claim))
    loaded = flow.attribute_batch(flow.deduplicate_batch(mapped))
    flow.load_batch(loaded)
    flow.load_batch(loaded)
    assert counted() == {"fields.shoe_size": 1}


def test_no_address_or_number_is_ever_a_path():
    capture(form(1, **{"ada@example.org": 1, "+34 600 111 222": 2, "session_1771572600": 3}), source="web_form")
    work()
    assert counted() == {"(redacted)": 1, "fields.(redacted)": 1, "fields.session_#": 1}


def lead_with(*paths: str, version: str = "web_form@1+0") -> Lead:
    return Lead(new_id(), "default", "web_form", "bulk", NOON, NOON, version, undecided=list(paths))


def test_a_source_has_two_hundred_paths_and_the_rest_together():
    with transaction() as connection:
        count_drift(connection, [lead_with(*(f"p{number}" for number in range(150)))])
        count_drift(connection, [lead_with("p0", *(f"q{number:03}" for number in range(100)))])
        count_drift(connection, [lead_with("q000", "q099", "r"), lead_with("r")])
        count_drift(connection, [lead_with("r", version="web_form@2+1")])
        rows = read_drift(connection)
    of_one = {row.path: row.leads for row in rows if row.mapping_version != "web_form@2+1"}
    assert of_one["p0"] == of_one["q000"] == of_one["q099"] == of_one["r"] == 2
    assert len(of_one) == PATHS_OF_A_SOURCE + 1  # `…` itself
    assert of_one[REST] == 51, "fifty of one lead made room for the q, one for r"
    assert [row.leads for row in rows if row.mapping_version == "web_form@2+1"] == [1]
    assert sum(of_one.values()) == 150 + 101 + 4


def test_a_batch_is_counted_in_one_statement_and_nothing_in_none():
    with transaction() as connection, count_statements() as seen:
        count_drift(connection, [lead_with("a", "b"), lead_with("a"), lead_with("c", version="web_form@2+1")])
        assert seen.count == 1
        count_drift(connection, [lead_with(), lead_with()])
        assert seen.count == 1


def test_batches_that_meet_the_same_fields_take_turns_and_lose_no_count():
    paths = [f"field {number:02}" for number in range(40)]

    def load(worker: int) -> None:
        for turn in range(10):
            mine = paths if (worker + turn) % 2 else list(reversed(paths))
            with transaction() as connection:
                count_drift(connection, [lead_with(*mine), lead_with(*mine[:20])])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(load, worker) for worker in range(4)]:
            done.result(timeout=60)
    assert set(counted()) == set(paths)
    assert sum(counted().values()) == 4 * 10 * (40 + 20)


def test_only_what_the_mapping_in_force_leaves_open_is_shown():
    capture(form(1, shoe_size=38), form(2, shoe_size=39), source="web_form")
    work()
    with transaction() as connection:
        count_drift(connection, [lead_with("old", version="web_form@1+00000000")])
        assert [(one.path, one.leads) for one in current_drift(connection)] == [("fields.shoe_size", 2)]
        assert current_drift(connection, ["api"]) == []
        assert drifting_fields(connection) == {"web_form": 1}


def test_people_see_it_in_drift_status_and_metrics():
    capture(form(1, shoe_size=38), form(2, shoe_size=39, hat="x"), source="web_form")
    work()
    (first, second) = answer("mapping", "drift", "web_form")
    assert (first["source"], first["path"], first["leads"]) == ("web_form", "fields.shoe_size", 2)
    assert first["first_seen_at"] <= first["last_seen_at"]
    assert second["path"] == "fields.hat"
    text = run("mapping", "drift").stdout
    assert "fields.shoe_size" in text
    assert "mappings/sources/web_form.yaml: map it to a field, or list it under `kept` or `ignored`" in text
    assert "decided" in run("mapping", "drift", "api").stdout
    assert json.loads(run("status", "--json").stdout)["drift"] == {"web_form": 2}
    assert "nobody has decided about: web_form 2" in run("status").stdout
    registry = CollectorRegistry()
    registry.register(InstallationGauges())
    assert b'afluente_drift_fields{source="web_form"} 2.0' in generate_latest(registry)
