"""Who is to be forgotten is gone: from every column, from what waits, from CRMs; and nobody else is."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError, RefusedError, TransientError
from pipeline.privacy import erasure, ledger
from pipeline.privacy.erasing import noting
from pipeline.privacy.erasing.certificates import certificate_path
from pipeline.privacy.subjects import Asked
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from tests.support.command_line import answer, capture, deliver, problem, run, work
from tests.support.granting import OWNER
from tests.support.identity_rows import rows
from tests.support.needles import ADA, NEEDLE, needles_left, plant, rows_left

pytestmark = pytest.mark.usefixtures("database", "data_folder")
EMAIL = str(ADA["email"])


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    from tests.support.services import forget_caches

    forget_caches()
    return tmp_path / "data"


def erase(email: str = EMAIL, *, answers: dict | None = None):
    """From the request until every CRM has answered."""
    request = erasure.erase(Asked(email=email), by="somebody")
    erasure.advance(request.request_id)
    deliver(**(answers or {}))
    return erasure.advance(request.request_id)


def everything_of(person_id: UUID) -> list[tuple]:
    """All rows of a person, for comparing before and after."""
    found = []
    for table, where in (
        ("people", "person_id = %s"),
        ("touches", "person_id = %s"),
        ("consents", "person_id = %s"),
        ("deliveries", "person_id = %s"),
        ("events", "person_id = %s"),
        ("evidence", "person_id = %s"),
    ):
        found += [(table, *row) for row in rows(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {where}", person_id)]
    return sorted(found)


def test_no_needle_is_left_in_any_column_and_no_row_of_theirs():
    _, ids = plant()
    assert len(needles_left()) > 20
    ended = erase()
    assert ended.state == "done"
    assert needles_left() == {}
    assert rows_left(ids) == {}
    assert rows("SELECT count(*) FROM event_bodies") == [(0,)]


def test_the_balance_holds_and_others_are_as_they_were():
    (other,) = capture({"email": "ben@example.com", "full_name": "Ben Kairo", "company": "Needle Works"})
    plant()
    ((ben,),) = rows("SELECT person_id FROM events WHERE event_id = %s", other)
    before = everything_of(ben)
    erase()
    assert everything_of(ben) == before
    with transaction() as connection:
        counted = balance(connection)
    assert (counted["all"]["accepted"], counted["all"]["suppressed"], counted["all"]["difference"]) == (2, 1, 0)
    assert counted["missing_deliveries"] == 0


def test_the_ledger_has_it_before_anything_is_gone(monkeypatch):
    plant()

    def fail(*_: object, **__: object) -> None:
        raise ConfigurationError("the disk is full")

    monkeypatch.setattr(noting.ledger, "append", fail)
    with pytest.raises(ConfigurationError):
        erasure.erase(Asked(email=EMAIL), by="somebody")
    assert needles_left()
    assert rows("SELECT count(*) FROM suppressions") == rows("SELECT count(*) FROM privacy_requests") == [(0,)]


def test_a_kill_after_the_ledger_leaves_all_there_and_the_same_command_finishes(monkeypatch):
    person_id, ids = plant()
    with monkeypatch.context() as patch:
        patch.setattr(noting, "destroy", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erasure.erase(Asked(email=EMAIL), by="somebody")
    assert [line.entry.person_ids for line in ledger.read_ledger().lines] == [(person_id,)]
    assert rows_left(ids)
    assert erase().state == "done"
    assert rows_left(ids) == {}


def test_the_entry_names_ids_and_digests_and_nothing_else(data_folder):
    plant()
    erase()
    text = ledger.ledger_path().read_text().lower()
    assert NEEDLE not in text
    (line,) = ledger.read_ledger().lines
    assert len(line.entry.digests) >= 2


def test_a_list_does_not_bring_them_back_in_whatever_spelling():
    plant()
    erase()
    again = capture(ADA, {"email": " Needle.ADA+list@Example.org"}, {"phone": "612 345 678", "region": "ES"})
    work()
    assert set(rows("SELECT reason FROM events WHERE event_id = ANY(%s)", again)) == {("erased",)}
    assert rows("SELECT count(*) FROM people") == [(0,)]
    assert needles_left() == {}


def test_what_waits_in_quarantine_and_never_got_to_a_mapping_goes_too():
    plant()
    (unread,) = capture({"email": "needle.ada@example.org, or so", "employee_count": "needle"})
    (others,) = capture({"email": "nobody at all"})
    work()
    states = dict(rows("SELECT event_id, state FROM events"))
    assert states[others] == "quarantined"
    rows_before = rows("SELECT count(*) FROM quarantine WHERE event_id = %s", others)
    erase()
    assert dict(rows("SELECT event_id, reason FROM events WHERE event_id = %s", unread)) == {unread: "erased"}
    assert rows("SELECT count(*) FROM quarantine WHERE event_id = %s", others) == rows_before
    assert rows("SELECT count(*) FROM event_bodies") == [(1,)]


def test_who_is_under_way_meets_the_claim_taken_away():
    from pipeline import flow

    plant()
    capture({"email": EMAIL, "external_id": "second"})
    claim = flow.claim_batch("hot") or flow.claim_batch("bulk")
    batch = flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claim)))
    request = erasure.erase(Asked(email=EMAIL), by="somebody")
    with pytest.raises(TransientError):
        flow.load_batch(flow.attribute_batch(batch))
    deliver()
    assert erasure.advance(request.request_id).state == "done"
    assert rows("SELECT DISTINCT state, reason FROM events") == [("suppressed", "erased")]
    assert rows("SELECT count(*) FROM people") == [(0,)]


def test_merged_ids_go_with_the_one_that_stands_and_an_id_that_forwards_leads_there():
    from pipeline.identity.decisions import Decision
    from pipeline.identity.merges import merge_people

    one, other = capture({"email": "needle.a@example.org"}, {"email": "needle.b@example.org"})
    work()
    people = [rows("SELECT person_id FROM events WHERE event_id = %s", event_id)[0][0] for event_id in (one, other)]
    merge_people(*people, Decision("somebody"))
    ((forwards,),) = rows("SELECT person_id FROM people WHERE merged_into IS NOT NULL")
    request = erasure.erase(Asked(person_id=forwards), by="somebody")
    deliver()
    erasure.advance(request.request_id)
    assert erasure.advance(request.request_id).state == "done"
    assert rows("SELECT count(*) FROM people") == rows("SELECT count(*) FROM evidence") == [(0,)]
    again = capture({"email": "needle.a@example.org"}, {"email": "needle.b@example.org"})
    work()
    assert set(rows("SELECT reason FROM events WHERE event_id = ANY(%s)", again)) == {("erased",)}


def test_an_address_that_somebody_else_has_too_is_not_suppressed():
    capture(
        {"email": "needle.a@example.org", "phone": "+34911234567", "full_name": "Ada Needle"},
        {"email": "ben@example.com", "phone": "+34911234567", "full_name": "Ben Kairo"},
    )
    work()
    erase("needle.a@example.org")
    (ben,) = capture(
        {"email": "ben@example.com", "phone": "+34911234567", "full_name": "Ben Kairo", "message": "again"}
    )
    work()
    assert rows("SELECT state FROM events WHERE event_id = %s", ben) == [("settled",)]
    (ada,) = capture({"email": "needle.a@example.org", "phone": "+34911234567"})
    work()
    assert rows("SELECT reason FROM events WHERE event_id = %s", ada) == [("erased",)]


def test_a_legal_hold_keeps_its_part_with_the_reason_and_the_rest_goes():
    capture(
        {"email": "needle.a@example.org", "phone": "+34911234567", "full_name": "Ada Needle"},
        {"email": "ben@example.com", "phone": "+34911234567", "full_name": "Ben Kairo"},
    )
    work()
    ids = [row[0] for row in rows("SELECT person_id FROM people ORDER BY person_id")]
    run("privacy", "hold", "add", "--person", str(ids[0]), "--reason", "case 17", "--by", "counsel")
    done = run("privacy", "erase", "--phone", "+34911234567", "--yes", "--no-wait")
    assert "legal hold" in str(json.loads(done.stdout)["kept"])
    assert [row[0] for row in rows("SELECT person_id FROM people")] == [ids[0]]
    with pytest.raises(RefusedError, match="legal hold"):
        erasure.erase(Asked(person_id=ids[0]), by="somebody")


def test_a_crm_that_deletes_nothing_for_us_is_told_apart_and_waits_for_a_hand():
    plant()
    ended = erase(answers={"code": "kept"})
    assert ended.state == "by_hand"
    (system,) = [known for known in ended.certificate["systems"] if known["system"] == "sandbox"]
    assert system["state"] == "not_supported"
    status = run("privacy", "status", "--json")
    assert status.returncode == 1
    confirmed = json.loads(run("privacy", "confirm", str(ended.request_id), "--why", "removed").stdout)
    assert {known["state"] for known in confirmed["systems"] if known["system"] == "sandbox"} == {"done_by_hand"}
    assert run("privacy", "status").returncode == 0


def test_a_crm_that_is_away_leaves_it_pending_and_the_same_command_or_beat_goes_on():
    person_id, _ = plant()
    request = erasure.erase(Asked(email=EMAIL), by="somebody")
    assert erasure.advance(request.request_id).state == "waiting"
    deliver("retry", code="away")
    assert run("privacy", "status").returncode == 1
    rows("UPDATE deliveries SET next_attempt_at = now() RETURNING 1")
    again = erasure.erase(Asked(person_id=person_id), by="somebody")
    assert again.request_id == request.request_id
    deliver()
    assert erasure.upkeep() == 1
    assert run("privacy", "status").returncode == 0


def test_a_second_person_approves_where_the_settings_ask_for_it(monkeypatch, tmp_path):
    config = tmp_path / "afluente.yaml"
    config.write_text("privacy: {needs_approval: true}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    plant()
    done = run("privacy", "erase", "--email", EMAIL, "--yes", "--by", "ann", "--json")
    assert done.returncode == 1
    request_id = json.loads(done.stdout)["request_id"]
    assert needles_left()
    assert "second person" in problem("privacy", "approve", request_id, "--by", "ann", code=1)
    assert "second person" in problem("privacy", "approve", request_id, "--by", "bob", code=1)  # typed by ann again
    bob = {"AFLUENTE_TOKEN": create_key(settings(), "bob", by=OWNER, role="privacy").key}
    run("privacy", "approve", request_id, "--no-wait", environment=bob)
    deliver()
    ended = erasure.advance(UUID(request_id))
    assert (ended.state, ended.certificate["approved_by_a_second_person"]) == ("done", True)
    assert needles_left() == {}


def test_the_certificate_says_what_was_done_without_saying_of_whom_and_any_change_of_it_is_found(tmp_path):
    plant()
    ended = erase()
    certificate = answer("privacy", "certificate", "show", str(ended.request_id))
    assert [*certificate][:3] + [*certificate][-1:] == ["certificate", "form", "request_id", "signature"]
    assert NEEDLE not in json.dumps(certificate).lower()
    assert certificate["people"] == 1
    assert certificate["rows"]["people"] == certificate["rows"]["events"] == 1
    assert certificate["ledger"] == [ledger.read_ledger().head]
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(certificate))
    assert run("privacy", "certificate", "verify", str(file)).returncode == 0
    for name, value in (("people", 2), ("state", "by_hand"), ("ended_at", "2020-01-01")):
        file.write_text(json.dumps({**certificate, name: value}))
        assert run("privacy", "certificate", "verify", str(file)).returncode == 1, name


def test_a_file_that_is_no_certificate_is_refused_with_what_it_lacks_and_where_to_get_one(tmp_path):
    file = tmp_path / "certificate.json"
    assert "No such file or directory" in problem("privacy", "certificate", "verify", str(file), code=2)
    for content, said in (
        ("no JSON", "is no JSON"),
        ("[]", "is one JSON object"),
        ('{"request_id": "1", "state": "done"}', "it has no signature"),
        ('{"request_id": "1", "state": "done", "signature": {}}', "its signature is none that can be read"),
    ):
        file.write_text(content)
        assert said in problem("privacy", "certificate", "verify", str(file), code=2), content


def test_an_erasure_says_where_its_certificate_is_filed():
    plant()
    done = run("privacy", "erase", "--email", EMAIL, "--yes", "--no-wait")
    deliver()
    if done.returncode:
        done = run("privacy", "erase", "--email", EMAIL, "--yes", "--no-wait")
    filed = certificate_path(UUID(json.loads(done.stdout)["request_id"]))
    assert f"filed as {filed}\n" in done.stderr
    assert json.loads(filed.read_text()) == json.loads(done.stdout)


def test_who_comes_in_between_is_found_by_their_digest_and_goes_too():
    plant()
    request = erasure.erase(Asked(email=EMAIL), by="somebody")
    suppressed = rows("DELETE FROM suppressions RETURNING brand, digest, key, reason, at, request_id")
    capture({"email": EMAIL, "external_id": "late"})  # whose worker had looked before
    work()
    for row in suppressed:
        rows("INSERT INTO suppressions VALUES (%s, %s, %s, %s, %s, %s) RETURNING 1", *row)
    deliver()
    erasure.advance(request.request_id)
    deliver()
    assert erasure.advance(request.request_id).state == "done"
    assert rows("SELECT count(*) FROM people") == [(0,)]


def test_a_dry_run_counts_and_changes_nothing():
    plant()
    before = needles_left()
    planned = answer("privacy", "erase", "--email", EMAIL, "--dry-run", "--json")
    assert len(planned["people"]) == 1
    assert planned["rows"]["touches"] == 1
    assert needles_left() == before
    assert rows("SELECT count(*) FROM privacy_requests") == [(0,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "one of --email, --phone and --person"),
        (("--email", "a@example.org", "--phone", "+34911234567"), "one of --email"),
        (("--email", "nobody"), "--email is no e-mail address"),
        (("--email", "a@example.org", "--brand", "none"), "is no brand"),
        (("--person", str(UUID(int=5))), "no person has the id"),
    ],
)
def test_what_names_nobody_is_refused_with_what_to_do(options, said):
    code = 1 if "no person" in said else 2
    assert said in problem("privacy", "erase", *options, "--yes", code=code)
