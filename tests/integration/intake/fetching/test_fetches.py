"""An id comes, the record is read from its source, and only then it is mapped: whatever the source does meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.sandbox.providers.provider import Provider
from pipeline import flow
from pipeline.inspection.quarantined import replay_all
from pipeline.intake.fetching import runs
from pipeline.intake.fetching.runs import due_fetches, run_fetches
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from pipeline.store.fetches import fetches, pauses
from tests.support.fetched_leads import (
    SOURCE,
    TOKEN,
    lead,
    path_of,
    post_body,
    post_ids,
    skip_pauses,
    states,
    waiting,
)
from tests.support.intake_server import Receiver, quarantined, stored_events
from tests.support.services import forget_caches
from tests.support.watching import wait_until

pytestmark = pytest.mark.usefixtures("database", "redis_url")
_DUE = [(SOURCE, "default")]


def fetch(**options: bool):
    return run_fetches(SOURCE, "default", budget_seconds=5.0, **options)


def load_all() -> None:
    while (claim := flow.claim_batch("hot")) is not None:
        flow.load_batch(
            flow.attribute_batch(flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claim))))
        )  # fmt: skip


def people() -> list[str]:
    with transaction() as connection:
        return [str(person) for person in connection.exec_driver_sql("SELECT person_id FROM people").scalars()]


def test_an_id_is_stored_and_answered_at_once_and_nobody_maps_it_before_its_record_was_read(
    provider: Provider, receiver: Receiver
) -> None:
    provider.latency_seconds = 0.2
    ids = [lead(provider, f"ada{number}@example.org") for number in range(3)]
    assert post_ids(receiver, *ids).status_code == 200
    assert provider.count() == 0, "the sender waits for nobody"
    assert states() == dict.fromkeys(ids, "fetching")
    assert flow.claim_batch("hot") is None
    with transaction() as connection:
        counted = balance(connection)["all"]
    assert (counted["accepted"], counted["pending"], counted["difference"]) == (3, 3, 0)
    assert due_fetches() == _DUE
    assert fetch().fetched == 3
    assert states() == dict.fromkeys(ids, "pending")
    assert waiting() == 0
    assert due_fetches() == []
    load_all()
    assert states() == dict.fromkeys(ids, "settled")
    assert len(people()) == 3


def test_a_run_looks_up_how_a_source_is_asked_once_however_many_records_it_reads(
    provider: Provider, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up, looked_up = runs.fetch_setup, []
    monkeypatch.setattr(runs, "fetch_setup", lambda *of, **brand: looked_up.append(of) or set_up(*of, **brand))
    post_ids(receiver, *(lead(provider, f"ada{number}@example.org") for number in range(12)))
    assert fetch().fetched == 12
    assert len(looked_up) == 1
    assert fetch().fetched == 0
    assert len(looked_up) == 1, "nothing waits, so nothing is looked up"


def test_a_replay_maps_what_was_read_and_asks_nobody(provider: Provider, receiver: Receiver) -> None:
    lead_id = lead(provider, "ada@example.org")
    post_ids(receiver, lead_id)
    fetch()
    calls = provider.count()
    (raw,) = stored_events(SOURCE)
    assert raw.fetched is not None
    assert b"ada@example.org" in raw.fetched.body
    assert b"ada@example.org" not in raw.envelope.body
    load_all()
    assert states() == {lead_id: "settled"}
    assert provider.count() == calls


def test_of_two_tokens_the_one_that_counts_reads_the_record_whatever_word_refuses_the_other(
    provider: Provider, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_LEAD_ADS_TOKEN", f"not-yet-valid,{TOKEN}")
    forget_caches()
    ids = [lead(provider, f"ada{number}@example.org") for number in range(3)]
    post_ids(receiver, *ids)
    assert fetch().fetched == 3
    assert provider.count() == 4, (
        "Meta refuses by a code with 400; the token that was taken is shown first from then on"
    )


def test_the_same_id_again_is_a_repeat_and_is_read_once(provider: Provider, receiver: Receiver) -> None:
    lead_id = lead(provider, "ada@example.org")
    post_ids(receiver, lead_id)
    post_ids(receiver, lead_id)
    fetch()
    post_ids(receiver, lead_id)
    fetch()
    assert provider.count() == 1
    assert states() == {lead_id: "pending"}


def test_one_record_that_is_gone_waits_in_quarantine_with_its_reason_and_the_others_go_on(
    provider: Provider, receiver: Receiver
) -> None:
    fine, gone, hidden = (lead(provider, f"{name}@example.org") for name in ("ada", "bo", "cy"))
    del provider.records[path_of(gone)]
    provider.broken[path_of(hidden)] = 403
    post_ids(receiver, gone, hidden, fine)
    report = fetch()
    assert (report.fetched, report.quarantined, report.error) == (1, 2, None)
    assert states() == {gone: "quarantined", hidden: "quarantined", fine: "pending"}
    assert sorted(code for code, _ in quarantined(SOURCE)) == ["fetch_forbidden", "fetch_gone"]


def test_what_was_quarantined_is_read_again_when_it_is_replayed(provider: Provider, receiver: Receiver) -> None:
    lead_id = lead(provider, "ada@example.org")
    kept = provider.records.pop(path_of(lead_id))
    post_ids(receiver, lead_id)
    fetch()
    provider.records[path_of(lead_id)] = kept
    assert replay_all(reason="fetch_gone").replayed == 1
    assert states() == {lead_id: "fetching"}
    fetch()
    load_all()
    assert states() == {lead_id: "settled"}


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b'{"id": "99', b"[]", b""])
def test_an_answer_that_cannot_be_read_is_quarantined_with_its_place(
    provider: Provider, receiver: Receiver, body: bytes
) -> None:
    lead_id = lead(provider, "ada@example.org")
    provider.raw[path_of(lead_id)] = body
    post_ids(receiver, lead_id)
    assert fetch().quarantined == 1
    ((code, message),) = quarantined(SOURCE)
    assert code == "fetched_unreadable"
    assert "Welcome" not in message


def test_an_answer_larger_than_a_record_may_be_is_quarantined_and_the_others_are_read(
    provider: Provider, receiver: Receiver
) -> None:
    large, fine = lead(provider, "ada@example.org"), lead(provider, "bo@example.org")
    provider.raw[path_of(large)] = b'{"id": "' + 1_048_576 * b"9" + b'"}'
    post_ids(receiver, large, fine)
    report = fetch()
    assert (report.fetched, report.quarantined) == (1, 1)
    assert quarantined(SOURCE) == [("fetched_too_large", "more than 1048576 bytes")]


def test_a_failure_of_the_moment_is_tried_again_later_and_the_others_do_not_wait_for_it(
    provider: Provider, receiver: Receiver
) -> None:
    slow, fine = lead(provider, "ada@example.org"), lead(provider, "bo@example.org")
    provider.broken[path_of(slow)] = 500
    post_ids(receiver, slow, fine)
    report = fetch()
    assert (report.fetched, report.retried) == (1, 1)
    assert states() == {slow: "fetching", fine: "pending"}
    assert due_fetches() == [], "it is not asked for at once again"
    del provider.broken[path_of(slow)]
    skip_pauses()
    assert fetch().fetched == 1


def test_one_record_that_always_fails_ends_in_quarantine_after_many_attempts(
    provider: Provider, receiver: Receiver
) -> None:
    lead_id = lead(provider, "ada@example.org")
    provider.broken[path_of(lead_id)] = 500
    post_ids(receiver, lead_id)
    for _ in range(15):
        skip_pauses()
        fetch()
    assert [code for code, _ in quarantined(SOURCE)] == ["fetch_failed"]
    assert provider.count() == 15


def test_a_source_that_is_down_is_left_alone_and_goes_on_by_itself(provider: Provider, receiver: Receiver) -> None:
    ids = [lead(provider, f"ada{number}@example.org") for number in range(20)]
    provider.fails = [500] * 40
    post_ids(receiver, *ids)
    report = fetch()
    assert provider.count() == 3, "three in a row are enough to know"
    assert report.error is not None
    assert due_fetches() == []
    for _ in range(30):  # the outage lasts: one record is tried at a time, and no record is given up for it
        skip_pauses()
        fetch()
    assert provider.count() == 33
    assert quarantined(SOURCE) == []
    provider.fails = []
    skip_pauses()
    fetch()
    skip_pauses()
    fetch()
    assert set(states().values()) == {"pending"}


def test_leads_wait_while_the_token_is_refused_and_go_on_when_it_works_again(
    provider: Provider, receiver: Receiver
) -> None:
    ids = [lead(provider, f"ada{number}@example.org") for number in range(8)]
    provider.tokens = set()
    post_ids(receiver, *ids)
    report = fetch()
    assert report.is_terminal
    assert provider.count() == 1, "nobody else is asked with a token that is refused"
    assert states() == dict.fromkeys(ids, "fetching")
    assert quarantined(SOURCE) == []
    with transaction() as connection:
        (state,) = pauses.fetch_states(connection)
    assert (state.waiting, state.is_terminal) == (8, True)
    assert state.error is not None
    assert "token" in state.error
    assert TOKEN not in state.error
    provider.tokens = {TOKEN}
    skip_pauses()
    assert fetch().fetched == 8
    with transaction() as connection:
        assert pauses.fetch_states(connection) == []


def test_a_quota_is_waited_for_as_long_as_the_source_says_and_uses_up_no_attempt(
    provider: Provider, receiver: Receiver
) -> None:
    lead_id = lead(provider, "ada@example.org")
    provider.fails, provider.retry_after = [429], "2"
    post_ids(receiver, lead_id)
    began = time.monotonic()
    fetch()
    assert fetch().ran is False
    assert wait_until(due_fetches, seconds=20)
    assert time.monotonic() - began > 1.5
    assert wait_until(lambda: fetch().fetched, seconds=20)
    assert provider.count() == 2
    assert quarantined(SOURCE) == []


def test_two_workers_never_read_one_record_twice(provider: Provider, receiver: Receiver) -> None:
    provider.latency_seconds = 0.01
    ids = [lead(provider, f"ada{number}@example.org") for number in range(40)]
    post_ids(receiver, *ids)
    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(fetch) for _ in range(2)]
        assert sum(run.result().fetched for run in done) == 40
    assert provider.count() == 40


def test_a_worker_that_lost_its_claim_stores_nothing(provider: Provider, receiver: Receiver) -> None:
    lead_id = lead(provider, "ada@example.org")
    post_ids(receiver, lead_id)
    (raw,) = stored_events(SOURCE)
    with transaction() as connection:
        former, _ = fetches.claim_fetches(connection, SOURCE, "default", limit=5, lease_seconds=0)
    with transaction() as connection:
        _, claimed_since = fetches.claim_fetches(connection, SOURCE, "default", limit=5, lease_seconds=60)
        is_held, lane = fetches.store_fetched(connection, former, raw.event_id, raw.envelope)
    assert list(claimed_since) == [raw.event_id]
    assert (is_held, lane) == (False, None)
    assert states() == {lead_id: "fetching"}


@pytest.mark.parametrize("spoiled", ["../me", "..", "", "   ", "9" * 501])
def test_an_id_that_is_none_is_quarantined_without_a_call(provider: Provider, receiver: Receiver, spoiled: str) -> None:
    post_ids(receiver, spoiled)
    fetch()
    assert provider.count() == 0
    assert [code for code, _ in quarantined(SOURCE)] == ["no_fetch_id"]


def test_what_is_no_id_is_mapped_as_it_came(provider: Provider, receiver: Receiver) -> None:
    del provider
    post_body(receiver, {"object": "page", "entry": [{"id": "1", "changes": [{"field": "feed", "value": {"a": 1}}]}]})
    load_all()
    with transaction() as connection:
        (state,) = connection.exec_driver_sql("SELECT state FROM events").scalars()
    assert state == "suppressed"
