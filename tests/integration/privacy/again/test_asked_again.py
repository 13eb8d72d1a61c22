"""The same person asked for once more, and several at once: nothing is certified early, and nobody else is touched."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from pipeline.errors import NotFoundError, UsageError
from pipeline.identity.decisions import Decision
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import file_evidence
from pipeline.identity.merges import merge_people
from pipeline.privacy import erasure
from pipeline.privacy.erasing import noting, scanning
from pipeline.privacy.subjects import Asked
from pipeline.records import new_id
from pipeline.store.engine import transaction
from pipeline.store.erasures import unfiled
from tests.support.command_line import answer, capture, deliver, work
from tests.support.identity_rows import owner, rows
from tests.support.needles import needles_left, plant
from tests.support.people_checks import accept, claim, finish
from tests.support.services import forget_caches
from tests.support.store_rows import lead_of

pytestmark = pytest.mark.usefixtures("database")
ADA = "needle.ada@example.org"
PHONE = "+34911234567"
HOUSEHOLD = (
    {"email": "needle.a@example.org", "phone": PHONE, "full_name": "Ada Needle"},
    {"email": "ben@example.com", "phone": PHONE, "full_name": "Ben Kairo"},
)


@pytest.fixture(autouse=True)
def configure(tmp_path, monkeypatch):
    """Settings in force from now on."""

    def configure(**config) -> None:
        path = tmp_path / "afluente.yaml"
        path.write_text(json.dumps(config))
        monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
        monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
        forget_caches()

    configure()
    return configure


def ask(**asked):
    request = erasure.erase(Asked(**asked), by="somebody")
    return erasure.advance(request.request_id) if request.state != "awaiting_approval" else request


def take_to_the_end() -> None:
    ask(email=ADA)
    deliver()
    erasure.upkeep()


def person_of(record: dict) -> UUID:
    (event_id,) = capture(record)
    work()
    deliver()
    return owner(event_id)


def state_of(event_id: UUID) -> tuple[str, str | None]:
    return rows("SELECT state, reason FROM events WHERE event_id = %s", event_id)[0]


@pytest.mark.parametrize("by", ["email", "phone", "person_id"])
def test_asked_by_anything_while_a_crm_is_away_it_is_the_same_erasure(by):
    person_id, _ = plant()
    first = ask(email=ADA)
    assert first.state == "waiting"
    again = ask(**{by: {"email": ADA, "phone": "+34 612 345 678", "person_id": person_id}[by]})
    assert (again.request_id, again.state, again.certificate) == (first.request_id, "waiting", None)
    deliver()
    assert erasure.advance(first.request_id).certificate["people"] == 1


def test_whoever_a_source_knows_by_an_id_alone_is_found_by_it(configure):
    record = {"external_id": "crm-77", "email": "needle.ada (at) example.org", "full_name": "Needle Sample"}
    ada = person_of(record)
    ben = person_of({**record, "external_id": "crm-78", "full_name": "Ben Kairo"})
    assert not rows("SELECT FROM quarantine")
    for wrong in ("crm-77", ":crm-77", "api:"):
        with pytest.raises(UsageError, match="SOURCE:ID"):
            ask(external_id=wrong)
    with pytest.raises(NotFoundError, match="nobody is known"):
        ask(external_id="web_form:crm-77")
    shown = answer("privacy", "erase", "--external-id", "api:crm-77", "--dry-run", "--json")
    assert [person["person_id"] for person in shown["people"]] == [str(ada)]
    first = ask(external_id="api:crm-77")
    assert ask(external_id="api:crm-77").request_id == first.request_id
    deliver()
    assert erasure.advance(first.request_id).state == "done"
    assert rows("SELECT person_id FROM people") == [(ben,)]
    (again,) = capture(record)
    work()
    assert state_of(again) == ("suppressed", "erased")


def test_an_id_that_several_have_names_none_of_them():
    names = ("Ada Needle", "Ben Kairo", "Olga Petrova", "Jan Peters")
    accept(
        [
            {"_name": name, "external_id": "form-1", "full_name": name, "email": f"{name[-4:]}@example.org"}
            for name in names
        ],
        brand="default",
    )
    finish(claim())
    ((source,),) = rows("SELECT DISTINCT source FROM events")
    with pytest.raises(UsageError, match=f"leads to {len(names)} people"):
        ask(external_id=f"{source}:form-1")
    assert len(rows("SELECT person_id FROM people")) == len(names)


def test_asked_again_after_a_kill_in_the_midst_of_the_scan_it_is_scanned_to_the_end(monkeypatch):
    plant()
    (unread,) = capture({"email": f"{ADA}, or so"})
    work()
    with monkeypatch.context() as patch:
        patch.setattr(unfiled, "next_unfiled", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ask(email=ADA)
    assert state_of(unread)[0] == "quarantined"
    again = ask(email=ADA)
    assert state_of(unread) == ("suppressed", "erased")
    assert rows("SELECT request_id FROM privacy_requests") == [(again.request_id,)]


@pytest.mark.parametrize("by", ["email", "person_id"])
def test_asked_again_after_the_end_what_came_in_meanwhile_goes_by_any_address_they_had(by):
    person_id, _ = plant()
    ask(email=ADA)
    deliver()
    first = ask(email=ADA)
    assert first.state == "done"
    (unread,) = capture({"email": "call +34 612 345 678", "message": "needle"})
    work()
    again = ask(**{by: {"email": ADA, "person_id": person_id}[by]})
    assert again.state == "done"
    assert again.request_id != first.request_id
    assert again.certificate["suppressed_addresses"] == first.certificate["suppressed_addresses"]
    assert state_of(unread) == ("suppressed", "erased")
    assert needles_left() == {}


def test_a_request_in_one_brand_neither_finds_nor_moves_that_of_another(configure):
    configure(brands={"default": {}, "casa": {}})
    person_id, _ = plant()
    first = ask(email=ADA, brand="default")
    assert first.state == "waiting"
    with pytest.raises(NotFoundError):
        ask(person_id=person_id, brand="casa")
    other = ask(email=ADA, brand="casa")
    assert (other.state, other.certificate["brands"]) == ("done", ["casa"])
    whole = ask(email=ADA)
    assert whole.request_id not in (first.request_id, other.request_id)
    assert whole.state == "waiting"  # for the CRM that the first one waits for
    deliver()
    assert erasure.advance(whole.request_id).state == erasure.advance(first.request_id).state == "done"
    assert set(rows("SELECT brand FROM suppressions")) == {("default",), ("casa",)}


def test_a_brand_that_the_settings_do_not_name_any_more_is_not_left_out(configure):
    configure(brands={"default": {}, "casa": {}})
    capture({"email": ADA, "full_name": "Needle Sample"}, brand="casa")
    work()
    configure()
    assert ask(email=ADA).state in ("waiting", "done")
    assert rows("SELECT count(*) FROM people") == rows("SELECT count(*) FROM evidence") == [(0,)]
    assert set(rows("SELECT brand FROM suppressions")) == {("default",), ("casa",)}


def test_who_came_back_and_is_held_by_then_stays_and_is_counted():
    plant()
    ask(email=ADA)
    deliver()
    first = ask(email=ADA)
    suppressed = rows("DELETE FROM suppressions RETURNING brand, digest, key, reason, at, request_id")
    held = person_of({"email": ADA, "external_id": "late"})  # whose worker had looked before
    for row in suppressed:
        rows("INSERT INTO suppressions VALUES (%s, %s, %s, %s, %s, %s) RETURNING 1", *row)
    answer("privacy", "hold", "add", "--person", str(held), "--reason", "case 17", "--by", "counsel")
    rows("UPDATE privacy_requests SET verified_at = verified_at - interval '25 hours' RETURNING 1")
    erasure.upkeep()
    assert rows("SELECT person_id FROM people") == [(held,)]
    ((state, counted),) = rows("SELECT state, progress -> 'held' FROM privacy_requests")
    assert (state, counted, first.state) == ("done", 1, "done")


def test_two_of_one_household_erased_at_once_both_go_and_their_number_with_the_last():
    ids = [person_of(record) for record in HOUSEHOLD]
    with ThreadPoolExecutor(2) as pool:
        begun = list(pool.map(lambda it: erasure.erase(Asked(person_id=it), by="somebody"), ids))
    for request in begun:
        erasure.advance(request.request_id)
    deliver()
    assert {erasure.advance(request.request_id).state for request in begun} == {"done"}
    assert rows("SELECT count(*) FROM people") == rows("SELECT count(*) FROM evidence") == [(0,)]
    again = capture({"phone": PHONE}, *HOUSEHOLD)
    work()
    assert set(rows("SELECT reason FROM events WHERE event_id = ANY(%s)", again)) == {("erased",)}


def test_who_got_their_number_while_an_approval_was_waited_for_is_not_erased_with_them(configure):
    configure(privacy={"needs_approval": True})
    ada = person_of(HOUSEHOLD[0])
    waiting = ask(person_id=ada)
    ben = person_of(HOUSEHOLD[1])
    begun = erasure.approve(waiting.request_id, by="another")
    erasure.advance(begun.request_id)
    deliver()
    assert erasure.advance(begun.request_id).state == "done"
    assert rows("SELECT person_id FROM people") == [(ben,)]
    (again,) = capture({**HOUSEHOLD[1], "message": "again"})
    work()
    assert state_of(again)[0] == "settled"


def test_of_two_approved_requests_about_one_person_both_come_to_their_end(configure):
    configure(privacy={"needs_approval": True})
    plant()
    both = [ask(email=ADA), ask(email=ADA)]
    for request in both:
        erasure.approve(request.request_id, by="another")
    for request in both:
        erasure.advance(request.request_id)
    deliver()
    assert {erasure.advance(request.request_id).state for request in both} == {"done"}
    assert needles_left() == {}


def test_a_merge_between_the_look_and_the_lock_takes_the_whole_person_along(monkeypatch):
    one, other = (person_of({"email": f"needle.{name}@example.org"}) for name in ("a", "b"))
    real = noting.hold_subjects

    def merge_first(connection, person_ids, **how):
        monkeypatch.setattr(noting, "hold_subjects", real)
        merge_people(one, other, Decision("somebody"))
        return real(connection, person_ids, **how)

    monkeypatch.setattr(noting, "hold_subjects", merge_first)
    begun = ask(person_id=one)
    deliver()
    assert erasure.advance(begun.request_id).state == "done"
    assert rows("SELECT count(*) FROM people") == rows("SELECT count(*) FROM evidence") == [(0,)]
    assert needles_left() == {}


@pytest.mark.parametrize("point", ["add_subjects", "take_out_changes", "write_progress", "audit_erasure"])
def test_killed_anywhere_between_the_ledger_and_the_commit_all_is_there_and_is_done_again(monkeypatch, point):
    plant()
    place = noting if point in ("take_out_changes",) else erasure if point == "audit_erasure" else noting.requests
    with monkeypatch.context() as patch:
        patch.setattr(place, point, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ask(email=ADA)
    assert needles_left()
    ask(email=ADA)
    deliver()
    assert ask(email=ADA).state == "done"
    assert needles_left() == {}


@pytest.mark.parametrize(
    ("place", "point"), [(scanning, "forget_events"), (scanning.requests, "write_all_progress"), (noting, "certify")]
)
def test_killed_anywhere_after_it_beat_goes_on_and_ends_it(monkeypatch, place, point):
    plant()
    capture({"email": f"{ADA}, or so"})
    work()
    with monkeypatch.context() as patch:
        patch.setattr(place, point, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take_to_the_end()
    erasure.upkeep()
    deliver()
    erasure.upkeep()
    ((state, counted),) = rows("SELECT state, progress -> 'rows' ->> 'events' FROM privacy_requests")
    assert (state, counted) == ("done", "2")
    assert needles_left() == {}


def test_who_is_still_being_resolved_keeps_the_certificate_back():
    plant()
    request = erasure.erase(Asked(email=ADA), by="somebody")
    suppressed = rows("DELETE FROM suppressions RETURNING brand, digest, key, reason, at, request_id")
    with transaction() as connection:  # a worker that had looked before, and is killed here
        file_evidence(connection, [lead_of(new_id(), email=ADA)], EvidenceCache())
    for row in suppressed:
        rows("INSERT INTO suppressions VALUES (%s, %s, %s, %s, %s, %s) RETURNING 1", *row)
    deliver()
    assert erasure.advance(request.request_id).state == "erasing"
    erasure.upkeep()
    assert rows("SELECT state, certificate IS NULL FROM privacy_requests") == [("erasing", True)]
