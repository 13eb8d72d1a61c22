"""What is withdrawn of an address outlasts the key of the index that it was withdrawn by."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.errors import RefusedError
from pipeline.identity.matching.evidence import Evidence
from pipeline.identity.withdrawn_points import link_withdrawn, points_of
from pipeline.lanes import BULK, LANES
from pipeline.privacy.withdrawals import ledger_withdrawals
from pipeline.recompute.former_withdrawals import note_former_withdrawals
from pipeline.recompute.index_rotation import drop_key, index_key_use, rotate
from pipeline.recompute.moved_withdrawals import move_withdrawals
from pipeline.recompute.settled_leads import replay_settled
from pipeline.records import Consent, new_id
from pipeline.store.engine import count_statements, transaction
from pipeline.store.keys import index_keys
from pipeline.store.people.withdrawn_points import WithdrawnPoint, note_withdrawn
from tests.integration.privacy.consents.test_withdrawn_points import (
    ADA,
    BEA,
    INFO,
    LETTERS,
    NOON,
    come,
    says,
    states,
    withdraw,
)
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def agreed(person: dict[str, str], email: str) -> dict[str, object]:
    return {**person, "email": email, "consents": [says()]}


def point_of(email: str) -> WithdrawnPoint:
    evidence = Evidence(email=email, is_shared=True)
    said = Consent(*LETTERS, granted=False, act="withdrawal")
    (point,) = points_of(evidence, [said], brand="default", event_id=new_id(), at=NOON)
    return point


def note_unlinked(email: str) -> None:
    """As a worker that is killed before it looks for whoever has the address."""
    with transaction() as connection:
        index_keys.hold(connection)
        note_withdrawn(connection, [point_of(email)])


def link_by_the_first_key(person_id: UUID, at: datetime) -> int:
    """What is withdrawn of `INFO` by the first key of the index, and linked to somebody; gives its number."""
    number = index_keys.known().all[-1].number("default", "email", INFO)
    with transaction() as connection:
        note_withdrawn(connection, [point_of(INFO)._replace(key=number, key_id=None, at=at)])
        connection.exec_driver_sql(
            "INSERT INTO withdrawn_evidence SELECT evidence_id, %s FROM evidence WHERE person_id = %s",
            (number, person_id),
        )
        connection.exec_driver_sql("UPDATE withdrawn_points SET linked_at = now()")
    return number


def test_whoever_comes_with_an_address_that_nobody_had_when_it_was_withdrawn_is_not_written_to():
    withdraw(email=INFO)
    rotate()
    rotate()
    (ada,) = come(agreed(ADA, INFO))
    assert states(LETTERS, ada) == ["refused"]
    assert rows("SELECT count(*) FROM withdrawn_evidence") == [(1,)]


def test_what_was_withdrawn_holds_on_and_falls_to_a_confirmation_of_that_address_alone():
    (ada,) = come({**ADA, "phone": "+34600123123", "other_phones": ["+34600123124"], "consents": [says(channel="sms")]})
    withdraw("sms", phone="+34600123123")
    rotate()
    assert states(("marketing", "sms"), ada) == ["refused"]
    said = says(channel="sms", act="confirmed")
    capture({"says": "consent", "person_id": str(ada), "phone": "+34600123123", "consents": [said]}, source="consents")
    work()
    assert states(("marketing", "sms"), ada) == ["granted"]


def test_what_is_withdrawn_after_it_holds_for_everybody_who_was_there_before():
    ada, bea = come(agreed(ADA, INFO), agreed(BEA, INFO))
    rotate()
    withdraw(email=INFO)
    assert states(LETTERS, ada, bea) == ["refused", "refused"]
    assert rows("SELECT key_id FROM withdrawn_points") == [(index_keys.known().current.key_id,)]


def test_withdrawals_and_leads_between_any_two_pages_miss_each_other_never():
    known = come(*(agreed({"full_name": f"Ada Sample{n}"}, f"ada{n}@sample.example") for n in range(16)))
    steps: dict[str, int] = {}
    withdrawn: list[str] = []
    came: list[UUID] = []

    def go(step: str, _rows: int) -> None:
        steps[step] = steps.get(step, 0) + 1
        if steps[step] <= 2:
            number = len(withdrawn)
            withdraw(email=f"ada{number}@sample.example")
            withdrawn.append(f"bea{number}@sample.example")
            withdraw(email=withdrawn[-1])
            came.extend(come(agreed({"full_name": f"Bea Other{number}"}, withdrawn[number // 2])))

    rotate(rows_at_once=5, on_progress=go)
    assert len(steps) > 2
    came += come(*(agreed({"full_name": "Cem Third"}, email) for email in withdrawn))
    assert set(states(LETTERS, *came)) == {"refused"}
    still = len(known) - len(withdrawn)
    assert states(LETTERS, *known) == ["refused"] * len(withdrawn) + ["granted"] * still


def test_what_a_worker_noted_by_the_former_key_and_did_not_link_is_linked_before_that_goes():
    ada, bea = come(agreed(ADA, INFO), agreed(BEA, INFO))
    note_unlinked(INFO)
    rotate()
    assert states(LETTERS, ada, bea) == ["refused", "refused"]
    assert rows("SELECT linked_at IS NOT NULL FROM withdrawn_points") == [(True,)]


def test_what_is_withdrawn_goes_over_to_the_new_key_where_somebody_has_the_address():
    ada, bea = come(agreed(ADA, INFO), agreed(BEA, INFO))
    withdraw(email=INFO)
    withdraw(email="info@other.example.org")
    numbers = {key for (key,) in rows("SELECT key FROM withdrawn_points")}
    key_id = rotate().key_id
    assert rows("SELECT key_id, count(*) FROM withdrawn_points GROUP BY 1 ORDER BY 1") == [(key_id, 1), (None, 1)]
    assert len(numbers & {key for (key,) in rows("SELECT key FROM withdrawn_points")}) == 1
    assert rows("SELECT count(*) FROM withdrawn_evidence l JOIN withdrawn_points w USING (key)") == [(2,)]
    assert states(LETTERS, ada, bea) == ["refused", "refused"]
    (cem, dan) = come(
        agreed({"full_name": "Cem Third"}, INFO), agreed({"full_name": "Dan Last"}, "info@other.example.org")
    )
    assert states(LETTERS, cem, dan) == ["refused", "refused"]


def test_of_an_address_that_was_withdrawn_again_by_the_new_key_the_latest_time_stays():
    (ada,) = come(agreed(ADA, INFO))
    withdraw(email=INFO, at="2026-03-05T09:00:00Z")
    moved: list[str] = []

    def again(step: str, _rows: int) -> None:
        if step.startswith("drop") and not moved:
            moved.append(step)
            withdraw(email=INFO, at="2026-03-02T09:00:00Z")

    rotate(on_progress=again)
    assert moved
    assert rows("SELECT count(*), max(at)::date::text FROM withdrawn_points") == [(1, "2026-03-05")]
    link_by_the_first_key(ada, NOON + timedelta(days=9))
    assert (move_withdrawals(), move_withdrawals()) == (1, 0)
    assert rows("SELECT count(*), max(at)::date::text FROM withdrawn_points") == [(1, "2026-03-10")]
    assert rows("SELECT count(*) FROM withdrawn_evidence") == [(1,)]
    assert states(LETTERS, ada) == ["refused"]


def test_going_over_waits_for_whoever_links_evidence_to_the_former_number():
    (ada,) = come(agreed(ADA, INFO))
    rotate()
    former = link_by_the_first_key(ada, NOON)
    (bea,) = come(agreed(BEA, INFO))
    ((piece,),) = rows("SELECT evidence_id FROM evidence WHERE person_id = %s", bea)
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM withdrawn_evidence WHERE evidence_id = %s", (piece,))
    began, go = threading.Event(), threading.Event()

    def link() -> None:
        with transaction() as connection:
            index_keys.hold(connection)
            link_withdrawn(connection, (), {(piece, former)}, lane=BULK)
            began.set()
            go.wait(20)

    with ThreadPoolExecutor(2) as threads:
        linking = threads.submit(link)
        began.wait(20)
        moving = threads.submit(move_withdrawals)
        time.sleep(0.3)
        assert not moving.done()
        go.set()
        linking.result()
        assert moving.result() == 1
    assert states(LETTERS, ada, bea) == ["refused", "refused"]


def test_a_worker_that_knows_the_former_key_alone_withdraws_by_the_new_one():
    (ada,) = come(agreed(ADA, INFO))
    former = index_keys.known()
    rotate()
    index_keys._known().keys = former  # as another process has them
    come({**ADA, "external_id": "2", "email": INFO, "consents": [says(granted=False, act="withdrawal")]})
    assert rows("SELECT key_id FROM withdrawn_points") == [(index_keys.known().current.key_id,)]
    index_keys._known().keys = former
    withdraw(email="info@other.example.org")
    assert {key_id for (key_id,) in rows("SELECT key_id FROM withdrawn_points")} == {index_keys.known().current.key_id}
    assert states(LETTERS, ada) == ["refused"]


@pytest.mark.parametrize("by", ["an update", "another mapping"])
def test_so_does_who_notes_what_was_withdrawn_before(by):
    (ada,) = come({**ADA, "email": INFO, "consents": [says(granted=False, act="withdrawal")]})
    former = index_keys.known()
    rotate()
    with transaction() as connection:
        connection.exec_driver_sql("TRUNCATE withdrawn_points, withdrawn_evidence")
        connection.exec_driver_sql("INSERT INTO filed_versions (name, version) VALUES ('withdrawn_points', 0)")
    index_keys._known().keys = former
    if by == "an update":
        assert note_former_withdrawals() == 1
    else:
        assert replay_settled(source="api").read == 1
    assert rows("SELECT key_id, linked_at IS NOT NULL FROM withdrawn_points") == [
        (index_keys.known().current.key_id, True)
    ]
    assert states(LETTERS, ada) == ["refused"]
    assert rows("SELECT count(*) FROM withdrawn_evidence") == [(1,)]


def test_a_batch_costs_as_many_statements_whatever_key_its_address_was_withdrawn_by():
    for number in range(5):
        withdraw(email=f"info@acme{number}.example.org")

    def statements(number: int) -> int:
        capture(
            agreed({"first_name": "Bea", "last_name": f"Other{chr(97 + number)}"}, f"info@acme{number}.example.org")
        )
        claim = next(filter(None, map(flow.claim_batch, LANES)))
        batch = flow.normalize_batch(flow.map_claim(claim))
        with count_statements() as seen:
            flow.deduplicate_batch(batch)
        flow.give_back(batch.claim_id, is_lost=False)
        work()
        return seen.count

    statements(0)
    counted = statements(1)
    rotate()
    statements(2)  # reads the keys, once
    assert statements(3) == counted
    assert rows("SELECT count(*) FROM withdrawn_evidence") == [(4,)]


def test_a_key_that_something_was_withdrawn_by_is_not_dropped():
    middle = rotate().key_id
    withdraw(email=INFO)
    rotate()
    use = {key.key_id: key for key in index_key_use()}
    assert (use[middle].digests, use[middle].is_droppable) == (
        {"withdrawn_points": 1, "withdrawals_to_ledger": 1},
        False,
    )
    with pytest.raises(RefusedError, match="1 in withdrawals_to_ledger, 1 in withdrawn_points"):
        drop_key(middle)
    assert ledger_withdrawals(seconds=0) == 1
    with pytest.raises(RefusedError, match="1 in ledger, 1 in withdrawn_points"):
        drop_key(middle)
    (bea,) = come(agreed(BEA, INFO))
    assert states(LETTERS, bea) == ["refused"]
