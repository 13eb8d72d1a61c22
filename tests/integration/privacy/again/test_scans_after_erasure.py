"""What is looked through after an erasure: only their own goes, all of it, and all requests are looked for at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import orjson
import pytest

from connectors.kit import sources
from pipeline.crypto.encryption import open_request
from pipeline.identity.activities import sweep_activities
from pipeline.privacy import erasure
from pipeline.privacy.erasing import steps
from pipeline.privacy.subjects import Asked
from pipeline.privacy.suppression import suppress_address
from pipeline.settings.loading import load_settings, settings
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import quarantine
from tests.integration.identity.test_activities import joined, registered
from tests.integration.intake.test_bodies_stored_once import WEBINAR, WEBINAR_MAPPING, webinar
from tests.support.command_line import capture, deliver, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows
from tests.support.intake_server import running_receiver
from tests.support.needles import needles_left

pytestmark = pytest.mark.usefixtures("database")
ADA, BEN = "needle.ada@example.org", "ben@example.com"


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    from tests.support.services import forget_caches

    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    forget_caches()


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path / "company", monkeypatch)


def erase(email: str = ADA):
    request = erasure.erase(Asked(email=email), by="somebody")
    erasure.advance(request.request_id)
    deliver()
    return erasure.advance(request.request_id)


def state_of(event_id: UUID) -> tuple[str, str | None]:
    return rows("SELECT state, reason FROM events WHERE event_id = %s", event_id)[0]


def look_again_tomorrow() -> int:
    rows("UPDATE privacy_requests SET verified_at = verified_at - interval '25 hours' RETURNING 1")
    return erasure.upkeep()


def test_another_persons_lead_of_the_same_body_stays_and_the_body_is_kept_for_it(company):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING)
    people = [{"registration_id": "r-1", "email": f"{ADA}, or so"}, {"registration_id": "r-2", "email": f"{BEN}, or"}]
    with running_receiver(load_settings(), connectors=sources()) as receiver:
        assert receiver.post("/in/default/webinars", json=webinar(*people)).status_code == 200
    work()
    (ada,), (ben,) = rows("SELECT event_id FROM events ORDER BY external_id")
    assert state_of(ada)[0] == state_of(ben)[0] == "quarantined"
    assert erase().state == "done"
    assert state_of(ada) == ("suppressed", "erased")
    assert state_of(ben)[0] == "quarantined"
    assert rows("SELECT event_id FROM quarantine WHERE resolution = 'open'") == [(ben,)]
    ((request_id, sealed),) = rows("SELECT request_id, sealed FROM request_bodies")
    left = open_request(bytes(sealed), request_id).body
    assert ADA.encode() not in left
    assert BEN.encode() in left


@pytest.mark.parametrize("is_read", [True, False])
def test_what_stands_beside_the_records_says_nothing_of_them_any_more(company, is_read):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING.replace("[", "[^.host, ^.contacts, "))
    unread = "" if is_read else ", or so"
    people = [{"registration_id": f"r-{email}", "email": f"{email}{unread}"} for email in (ADA, BEN)]
    contacts = [{"profile": {"name": "Needle"}, "who": ADA.upper()}, {"profile": {"name": "Ben"}, "who": BEN}]
    with running_receiver(load_settings(), connectors=sources()) as receiver:
        body = webinar(*people, contacts=contacts, host=ADA)
        assert receiver.post("/in/default/webinars", json=body).status_code == 200
    work()
    assert erase().state == "done"
    ((request_id, sealed),) = rows("SELECT request_id, sealed FROM request_bodies")
    left = orjson.loads(open_request(bytes(sealed), request_id).body)
    assert left["registrants"] == [None, people[1]]
    assert left["contacts"] == [None, contacts[1]]
    assert (left["host"], left["webinar"]["title"]) == (None, "Forty tables")


def test_of_who_comes_again_among_others_nothing_is_kept_beside_the_records_either(company):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING.replace("[", "[^.contacts, "))
    erase()
    people = [{"registration_id": f"r-{email}", "email": email} for email in (ADA, BEN)]
    contacts = [{"profile": {"name": "Needle"}, "who": ADA.upper()}, {"profile": {"name": "Ben"}, "who": BEN}]
    with running_receiver(load_settings(), connectors=sources()) as receiver:
        assert receiver.post("/in/default/webinars", json=webinar(*people, contacts=contacts)).status_code == 200
    work()
    ((request_id, sealed),) = rows("SELECT request_id, sealed FROM request_bodies")
    left = orjson.loads(open_request(bytes(sealed), request_id).body)
    assert (left["registrants"], left["contacts"]) == ([None, people[1]], [None, contacts[1]])
    assert rows("SELECT state, count(*) FROM events GROUP BY 1 ORDER BY 1") == [("settled", 1), ("suppressed", 1)]


def test_the_last_of_a_body_that_was_cut_before_goes_with_it(company):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING)
    people = [{"registration_id": "r-1", "email": f"{ADA}, or so"}, {"registration_id": "r-2", "email": f"{BEN}, or"}]
    with running_receiver(load_settings(), connectors=sources()) as receiver:
        receiver.post("/in/default/webinars", json=webinar(*people))
    work()
    erase()
    assert erase(BEN).state == "done"
    assert set(rows("SELECT state, reason FROM events")) == {("suppressed", "erased")}
    assert rows("SELECT count(*) FROM request_bodies") == rows("SELECT count(*) FROM event_bodies") == [(0,)]


def test_what_ended_under_an_objection_before_goes_with_the_erasure():
    suppress_address(Asked(email=ADA), reason="objection")
    (kept,) = capture({"email": ADA})
    work()
    assert state_of(kept) == ("suppressed", "no_consent")
    assert rows("SELECT count(*) FROM event_bodies") == [(1,)]
    erase()
    assert state_of(kept) == ("suppressed", "erased")
    assert rows("SELECT count(*) FROM event_bodies") == [(0,)]
    assert rows("SELECT DISTINCT reason FROM suppressions") == [("objection",)]


def test_what_a_human_set_for_it_and_what_its_source_calls_it_tell_whose_it_is_too():
    patched, called, bodiless, others = capture(*({"email": f"nobody at all {number}"} for number in range(4)))
    work()
    for event_id, name in ((called, ADA.upper()), (bodiless, f"mailto:{ADA}"), (others, BEN)):
        rows("UPDATE events SET external_id = %s WHERE event_id = %s RETURNING 1", name, event_id)
    rows("DELETE FROM event_bodies WHERE event_id = %s RETURNING 1", bodiless)  # by retention
    ((quarantine_id,),) = rows("SELECT quarantine_id FROM quarantine WHERE event_id = %s", patched)
    with transaction() as connection:
        assert quarantine.set_patch(connection, quarantine_id, {"email": ADA})
    assert erase().state == "done"
    for event_id in (patched, called, bodiless):
        assert state_of(event_id) == ("suppressed", "erased")
    assert state_of(others)[0] == "quarantined"
    assert rows("SELECT external_id FROM events WHERE external_id IS NOT NULL") == [(BEN,)]


@pytest.mark.parametrize("is_objection_first", [True, False])
def test_nothing_is_kept_of_what_comes_after_an_erasure_though_they_objected_too(is_objection_first):
    for is_objection in (is_objection_first, not is_objection_first):
        suppress_address(Asked(email=ADA), reason="objection") if is_objection else erase()
    (again,) = capture({"email": ADA})
    work()
    assert state_of(again) == ("suppressed", "erased")
    assert rows("SELECT count(*) FROM event_bodies") == [(0,)]


@pytest.mark.parametrize("is_objection_first", [True, False])
def test_an_objection_that_is_lifted_leaves_what_the_erasure_suppressed(is_objection_first):
    for is_objection in (is_objection_first, not is_objection_first):
        suppress_address(Asked(email=ADA), reason="objection") if is_objection else erase()
    assert suppress_address(Asked(email=ADA), reason="objection", lift=True) == 1
    assert rows("SELECT reason FROM suppressions") == [("erased",)]
    (again,) = capture({"email": ADA})
    work()
    assert state_of(again) == ("suppressed", "erased")
    assert suppress_address(Asked(email=ADA), reason="objection", lift=True) == 0


def test_an_activity_that_ended_without_anybody_goes_too_though_its_body_is_gone():
    (told,) = capture(joined(), source="zoom_webinar")
    (others,) = capture(joined("bob"), source="zoom_webinar")
    work()
    rows("UPDATE activities SET waits_until = now() - interval '1 s' RETURNING 1")
    sweep_activities()
    rows("DELETE FROM event_bodies RETURNING 1")  # by retention
    assert set(rows("SELECT state FROM activities")) == {("ended",)}
    assert erase("ada@example.org").state == "done"
    assert rows("SELECT event_id FROM activities") == [(others,)]
    assert state_of(told) == ("suppressed", "erased")


def test_an_activity_that_waits_anew_without_keys_as_its_lead_was_corrected_goes_too():
    (told,) = capture(joined(), source="zoom_webinar")
    work()
    rows("DELETE FROM activity_keys RETURNING 1")  # as after `remove_evidence`: it hung on a piece that is no more
    rows("DELETE FROM event_bodies RETURNING 1")
    assert erase("ada@example.org").state == "done"
    assert rows("SELECT count(*) FROM activities") == [(0,)]
    assert state_of(told) == ("suppressed", "erased")


def test_an_activity_of_a_person_goes_with_all_of_them():
    capture(registered(), joined(), source="zoom_webinar")
    work()
    assert rows("SELECT state FROM activities") == [("known",)]
    erase("ada@example.org")
    assert rows("SELECT count(*) FROM activities") == rows("SELECT count(*) FROM event_bodies") == [(0,)]


def test_what_was_set_aside_after_the_end_is_found_the_next_day_though_it_came_long_before():
    (late,) = capture({"email": f"{ADA}, or so"})
    rows("UPDATE events SET state = 'in_flight' RETURNING 1")  # a worker is at it while the erasure looks
    erase()
    rows("UPDATE events SET state = 'pending' RETURNING 1")
    work()
    assert state_of(late)[0] == "quarantined"
    assert look_again_tomorrow() == 1
    assert state_of(late) == ("suppressed", "erased")
    assert rows("SELECT count(*) FROM quarantine") == rows("SELECT count(*) FROM event_bodies") == [(0,)]


def test_what_comes_in_all_the_time_keeps_no_certificate_back_and_is_looked_at_the_next_day(monkeypatch):
    late: list[UUID] = []
    real = steps.verify

    def come_in_first(request_ids, *, at):
        late.extend(capture({"email": f"{ADA}, or so {len(late)}"}))
        work()
        return real(request_ids, at=at)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "verify", come_in_first)
        assert erase().state == "done"
    assert state_of(late[-1])[0] == "quarantined"
    look_again_tomorrow()
    assert {state_of(event_id) for event_id in late} == {("suppressed", "erased")}


def test_what_they_posted_themselves_since_is_left_for_whoever_reads_the_quarantine(tmp_path, monkeypatch):
    from tests.support.services import forget_caches

    config = tmp_path / "afluente.yaml"
    config.write_text("privacy: {own_forms: [api]}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    forget_caches()
    assert settings().privacy.own_forms
    (before,) = capture({"email": f"{ADA}, or so"})
    work()
    erase()
    (since,) = capture({"email": f"{ADA}, or so"})
    work()
    look_again_tomorrow()
    assert state_of(before) == ("suppressed", "erased")
    assert state_of(since)[0] == "quarantined"


def test_ten_requests_that_ended_are_looked_for_by_as_many_statements_as_one():
    erase()
    capture(*({"email": f"nobody at all {number}"} for number in range(5)))
    work()
    with count_statements() as one:
        look_again_tomorrow()
    for number in range(9):
        erase(f"somebody{number}@example.org")
    with count_statements() as ten:
        assert look_again_tomorrow() == 10
    assert len(ten.statements) == len(one.statements)
    (late,) = capture({"email": "somebody7@example.org, or so"})
    work()
    look_again_tomorrow()
    assert state_of(late) == ("suppressed", "erased")
    with count_statements() as nothing:
        assert erasure.upkeep() == 0
    assert len(nothing.statements) <= 3
    rows(
        "UPDATE privacy_requests SET ended_at = ended_at - interval '9 days', verified_at = now() - interval '2 days'"
        " RETURNING 1"
    )
    assert erasure.upkeep() == 0


def test_who_came_back_after_the_certificate_is_gone_and_another_certificate_says_so():
    capture({"email": ADA, "full_name": "Needle Sample"})
    work()
    deliver()
    ended = erase()
    suppressed = rows("DELETE FROM suppressions RETURNING brand, digest, key, reason, at, request_id")
    capture({"email": ADA, "phone": "+34612345678", "external_id": "late"})  # whose worker had looked before
    (unread,) = capture({"employee_count": "needle", "email": "by phone, +34 612 345 678"})
    work()
    for row in suppressed:
        rows("INSERT INTO suppressions VALUES (%s, %s, %s, %s, %s, %s) RETURNING 1", *row)
    deliver()
    look_again_tomorrow()
    assert rows("SELECT state FROM privacy_requests") == [("waiting",)]
    assert state_of(unread) == ("suppressed", "erased")
    deliver()
    erasure.upkeep()
    with transaction() as connection:
        again = erasure.read_erasure(connection, ended.request_id)
    assert (again.state, again.certificate["people"]) == ("done", 2)
    assert again.ended_at == ended.ended_at
    assert again.verified_at - ended.verified_at < timedelta(hours=25)
    assert needles_left() == {}
