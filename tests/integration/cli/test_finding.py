"""People and leads by what somebody has at hand: an address, a number, a foreign id; and the newest leads."""

from __future__ import annotations

import pytest

from tests.support.command_line import answer, capture, deliver, lines, problem, run, work

pytestmark = pytest.mark.usefixtures("database", "redis_url")

ADA = {"external_id": "a-1", "email": "Ada.Sample@Gmail.com", "phone": "+34 612 345 678", "full_name": "Ada Sample"}
BEA = {"external_id": "b-1", "email": "bea@example.org", "full_name": "Bea Probe"}


@pytest.fixture
def people(database):
    ada, bea = capture(ADA, BEA)
    work()
    deliver()
    return {row["email"]: row["person_id"] for row in lines("people", "export")}, str(ada), str(bea)


@pytest.mark.parametrize(
    "text",
    [
        *("Ada.Sample@Gmail.com", " ada.sample@gmail.com ", "adasample+news@googlemail.com"),
        *("+34612345678", "+34 612-345-678", "0034612345678"),
    ],
)
def test_somebody_is_found_by_an_address_or_a_number_in_any_spelling(people, text):
    ids, *_ = people
    story = answer("explain", text)
    assert (story["kind"], story["person_id"]) == ("person", ids["ada.sample@gmail.com"])


def test_somebody_is_found_by_the_id_that_a_crm_gave(people):
    (row, *_) = lines("deliveries", "export")
    (found,) = answer("people", "find", row["external_id"])
    assert (found["id"], found["by"]) == (row["person_id"], "crm_id")
    assert answer("explain", row["external_id"])["person_id"] == row["person_id"]


def test_a_lead_is_found_by_the_id_that_its_source_gave(people):
    ids, *_ = people
    story = answer("explain", "a-1")
    assert (story["kind"], story["person_id"]) == ("person", ids["ada.sample@gmail.com"])
    (waiting,) = capture({"external_id": "c-1", "email": "cy@example.org"})
    assert answer("explain", "c-1")["event_id"] == str(waiting)


def test_a_former_address_still_finds_its_person(people):
    capture({"phone": "+34612345678", "full_name": "Ada Sample", "email": "ada@example.net"})
    work()
    assert answer("explain", "ada.sample@gmail.com")["person_id"] == answer("explain", "ada@example.net")["person_id"]


def test_several_who_are_known_by_one_number_are_listed(people):
    capture({"phone": "+34612345678", "full_name": "Carlos Distinto"})
    work()
    found = answer("explain", "+34612345678")
    assert (found["kind"], len(found["found"])) == ("several", 2)
    assert "Carlos Distinto" in run("people", "find", "+34612345678").stdout


def test_who_is_unknown_is_a_sentence(people):
    assert "nobody is known by this" in problem("explain", "nobody@example.org", code=1)
    assert "nobody is known by this" in problem("people", "find", "Ada", code=1)


def test_the_newest_leads_are_listed_first(people):
    _, ada, bea = people
    (nobody,) = capture({"message": "call me"})
    work()
    assert [lead["event_id"] for lead in answer("leads", "list")] == [str(nobody), bea, ada]
    (newest,) = answer("leads", "list", "--limit", "1")
    assert (newest["state"], newest["reason"]) == ("quarantined", "nothing_to_identify")
    assert ada in run("leads", "list", "--source", "api").stdout


def test_a_lead_of_a_source_taken_out_of_the_settings_stays_readable(database, tmp_path, monkeypatch):
    from tests.support.services import forget_caches

    config = tmp_path / "afluente.yaml"
    config.write_text("sources:\n  web_extra: {connector: web_form}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    forget_caches()
    (event_id, waiting) = capture(
        {"fields": {"email": "ada@example.com"}}, {"fields": {"name": "Nobody"}}, source="web_extra"
    )
    capture(BEA)
    work()
    config.write_text("{}\n")
    forget_caches()
    rows = {row["event_id"]: row for row in lines("leads", "export")}
    assert rows[str(event_id)]["email"] == "ada@example.com"
    assert (rows[str(waiting)]["state"], len(rows)) == ("quarantined", 3)
    assert answer("explain", str(event_id))["now"] == "goes on"
    assert len(lines("leads", "export", "--source", "web_extra")) == 2
    assert answer("people", "renew", "--dry-run")["left"] == 0


def test_leads_whose_mapping_is_gone_are_rows_with_a_reason(people, monkeypatch, database):
    from pipeline.store.engine import transaction

    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE events SET source = 'gone', mapping_version = NULL WHERE external_id = 'a-1'"
        )
    rows = {row["source"]: row for row in lines("leads", "export")}
    assert (rows["gone"]["state"], rows["gone"]["reason"]) == ("settled", "mapping_unreadable")
    assert rows["api"]["email"] == "bea@example.org"
    assert answer("explain", rows["gone"]["event_id"])["fields"] == []
