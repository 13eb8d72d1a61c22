"""Against a Tryton that is not ours: people of the real engine, on a line that is cut while Tryton works."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections import Counter

import pytest
import requests

from connectors.destinations.tryton import DESTINATION
from connectors.kit import Connection, Record, RecordError, TerminalError, TransientError
from pipeline.delivery.halving import write_in_halves
from pipeline.delivery.sender import deliver
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import change, make_people, rows, states
from tests.support.paths import ROOT
from tests.support.services import forget_caches
from tests.support.tryton import PASSWORD, USER, Line, needs_tryton, running_tryton

pytestmark = [pytest.mark.long, needs_tryton]

SECRETS = {"user": USER, "password": PASSWORD}
ADA = {"name": "Ada Brandt", "email": "ada.brandt@example.org", "phone": "+493023125001", "comment": "Call me."}
MECHANISM = ("party", "type", "value", "comment")


@pytest.fixture(scope="module")
def tryton(tmp_path_factory):
    with running_tryton(tmp_path_factory.mktemp("tryton")) as running:
        yield running


@pytest.fixture
def line(tryton):
    opened = Line(tryton.port)
    yield opened
    opened.close()


def open_writer(line):
    """One with much patience: a busy machine is no defect."""
    options = {"database": "crm"}
    return DESTINATION.connect(Connection("crm", line.url, options=options, secrets=SECRETS, timeout_seconds=60.0))


@pytest.fixture
def writer(line):
    with contextlib.closing(open_writer(line)) as opened:
        yield opened


@pytest.fixture
def engine(database, redis_url, line, tmp_path, monkeypatch):
    """The pipeline's settings point to the line."""
    destination = {
        "kind": "tryton",
        "base_url": line.url,
        "options": {"database": "crm"},
        "secrets": {"user": "env:TRYTON_USER", "password": "env:TRYTON_PASSWORD"},
        "calls_per_second": 50,
        "timeout_seconds": 15,
    }
    document = {"destinations": {"crm": destination}, "tuning": {"delivery_linger_seconds": 0.0}}
    (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    monkeypatch.setenv("TRYTON_USER", USER)
    monkeypatch.setenv("TRYTON_PASSWORD", PASSWORD)
    forget_caches()


def send_all(count: int, *, seconds: float = 400.0) -> None:
    until = time.monotonic() + seconds
    while states() != {"sent": count}:
        assert time.monotonic() < until, (states(), Counter(rows()))
        time.sleep(min(5.0, max(0.2, deliver("crm", "bulk", budget_seconds=20).wait_seconds)))


def of(tryton, people) -> tuple[list[dict], list[dict], list[dict]]:
    """Parties, opportunities and contact mechanisms of these people."""
    keys = [str(person.person_id) for person in people]
    parties = tryton.all("party.party", "code", "name", where=[["code", "in", keys]])
    leads = tryton.all("sale.opportunity", "reference", "party", "state", where=[["reference", "in", keys]])
    ids = [party["id"] for party in parties]
    return parties, leads, tryton.all("party.contact_mechanism", *MECHANISM, where=[["party", "in", ids]])


@pytest.mark.timeout(600)
def test_five_hundred_people_on_a_line_that_is_cut_in_mid_write_are_five_hundred_parties_and_leads(
    tryton, line, engine
):
    people = make_people(500, phone="+493023125001")
    line.cuts = [b"sale.opportunity.create", b"party.party.create", b"sale.opportunity.create"]
    send_all(500)
    assert line.cuts == []
    parties, leads, mechanisms = of(tryton, people)
    assert Counter(party["code"] for party in parties) == Counter(str(person.person_id) for person in people)
    assert Counter(lead["reference"] for lead in leads) == Counter(str(person.person_id) for person in people)
    assert {lead["party"] for lead in leads} == {party["id"] for party in parties}
    assert Counter((one["party"], one["type"]) for one in mechanisms).most_common(1)[0][1] == 1
    assert len(mechanisms) == 1_000
    with transaction() as connection:
        ids = {crm_id for (crm_id,) in connection.exec_driver_sql("SELECT external_id FROM deliveries")}
    assert ids == {str(lead["id"]) for lead in leads}


@pytest.mark.timeout(600)
def test_a_changed_phone_changes_the_mechanism_though_the_line_is_cut_while_it_is_written(tryton, line, engine):
    people = make_people(60, phone="+493023125001")
    send_all(60)
    line.cuts = [b"party.party.write"]
    for person in people:
        change(person, phone="+493023125002", company="Other")
    send_all(60)
    assert line.cuts == []
    _, leads, mechanisms = of(tryton, people)
    phones = [one["value"] for one in mechanisms if one["type"] == "phone"]
    assert phones == ["+493023125002"] * 60
    assert len(mechanisms) == 120
    assert len(leads) == 60


def test_where_the_database_keeps_references_unique_who_comes_back_at_once_makes_no_second_one(tmp_path):
    """With the index that docs/tryton.md proposes, and without any wait."""
    page = (ROOT / "docs" / "tryton.md").read_text(encoding="utf-8")
    records = [Record(str(uuid.uuid4()), ADA) for _ in range(60)]
    with running_tryton(tmp_path / "tryton", sql=page.partition("```sql\n")[2].partition("```")[0]) as tryton:
        line = Line(tryton.port)
        with contextlib.closing(line), contextlib.closing(open_writer(line)) as writer:
            line.cuts = [b"sale.opportunity.create"]
            with pytest.raises(TransientError):
                writer.write(records)
            written = write_in_halves(records, writer.write, may_call=lambda: True)
        assert [result.state for result in written.results] == ["written"] * 60
        leads = tryton.all("sale.opportunity", where=[["reference", "in", [record.key for record in records]]])
        assert len(leads) == 60


class TestTheWriter:
    def test_the_same_batch_twice_changes_nothing_and_asks_once(self, writer, line):
        records = [Record(f"twice-{number}", ADA) for number in range(5)]
        first = writer.write(records)
        line.methods.clear()
        second = writer.write(records)
        assert [result.crm_id for result in second] == [result.crm_id for result in first]
        assert [(result.state, result.created) for result in second] == [("written", False)] * 5
        assert line.methods == ["model.sale.opportunity.search_read"]

    def test_what_people_add_in_tryton_stays(self, writer, tryton):
        writer.write([Record("adds", ADA)])
        (party,) = tryton.all("party.party", "code", where=[["code", "=", "adds"]])
        (lead,) = tryton.all("sale.opportunity", "comment", where=[["reference", "=", "adds"]])
        tryton.new("party.contact_mechanism", party=party["id"], type="phone", value="+493023125777")
        tryton.change("sale.opportunity", lead["id"], comment=lead["comment"] + "\nWants a demo.")
        writer.write([Record("adds", {**ADA, "phone": "+493023125009", "comment": "Call me soon."})])
        found = tryton.all("party.contact_mechanism", *MECHANISM, where=[["party", "=", party["id"]]])
        assert sorted(one["value"] for one in found if one["type"] == "phone") == ["+493023125009", "+493023125777"]
        (lead,) = tryton.all("sale.opportunity", "comment", where=[["reference", "=", "adds"]])
        assert "Call me soon." in lead["comment"]
        assert "Call me.\n" not in lead["comment"]
        assert lead["comment"].endswith("\nWants a demo.")

    def test_what_people_archived_is_seen_and_not_made_again(self, writer, tryton):
        (first,) = writer.write([Record("archived", ADA)])
        (party,) = tryton.all("party.party", where=[["code", "=", "archived"]])
        mechanisms = [["party", "=", party["id"]]]
        (phone,) = tryton.all("party.contact_mechanism", where=[*mechanisms, ["type", "=", "phone"]])
        tryton.change("party.contact_mechanism", phone["id"], active=False)
        tryton.change("party.party", party["id"], active=False)
        tryton.change("sale.opportunity", int(first.crm_id), reference=None, party=None)
        (second,) = writer.write([Record("archived", ADA)])
        assert second.created
        (lead,) = tryton.all("sale.opportunity", "party", where=[["reference", "=", "archived"]])
        assert lead["party"] == party["id"]
        assert len(tryton.all("party.contact_mechanism", where=mechanisms)) == 2

    def test_none_takes_a_mechanism_and_a_text_away(self, writer, tryton):
        writer.write([Record("clears", {**ADA, "description": "Brandt"})])
        writer.write([Record("clears", {**ADA, "phone": None, "comment": None, "description": None})])
        (lead,) = tryton.all(
            "sale.opportunity", "comment", "description", "party", where=[["reference", "=", "clears"]]
        )
        found = tryton.all("party.contact_mechanism", *MECHANISM, where=[["party", "=", lead["party"]]])
        assert [one["type"] for one in found] == ["email"]
        assert not lead["comment"]
        assert not lead["description"]

    def test_a_closed_opportunity_stays_as_it_is_and_the_party_is_kept(self, writer, tryton):
        (first,) = writer.write([Record("closed", {**ADA, "description": "Brandt"})])
        tryton.rpc("model.sale.opportunity.lost", [int(first.crm_id)], {"company": 1})
        (second,) = writer.write([Record("closed", {**ADA, "phone": "+493023125003", "description": "Other"})])
        assert (second.state, second.code, second.crm_id) == ("written", "opportunity_closed", first.crm_id)
        (lead,) = tryton.all("sale.opportunity", "description", "party", where=[["reference", "=", "closed"]])
        assert lead["description"] == "Brandt"
        found = tryton.all("party.contact_mechanism", *MECHANISM, where=[["party", "=", lead["party"]]])
        assert "+493023125003" in {one["value"] for one in found}

    def test_who_was_moved_to_another_party_by_hand_is_found_and_that_party_left_alone(self, writer, tryton):
        (first,) = writer.write([Record("moved", ADA)])
        other = tryton.new("party.party", name="Somebody Else")
        tryton.change("sale.opportunity", int(first.crm_id), party=other)
        (second,) = writer.write([Record("moved", {**ADA, "name": "Ada Neu"}, crm_id=first.crm_id)])
        assert (second.state, second.crm_id, second.created) == ("written", first.crm_id, False)
        (party,) = tryton.all("party.party", "name", where=[["id", "=", other]])
        assert party["name"] == "Somebody Else"

    def test_an_opportunity_whose_reference_was_changed_is_found_by_its_id(self, writer, tryton):
        (first,) = writer.write([Record("renamed", ADA)])
        tryton.change("sale.opportunity", int(first.crm_id), reference="order 7")
        (second,) = writer.write([Record("renamed", {**ADA, "description": "New"}, crm_id=first.crm_id)])
        assert (second.crm_id, second.created) == (first.crm_id, False)

    def test_an_id_of_another_database_is_not_believed(self, writer, tryton):
        foreign = tryton.new("sale.opportunity", description="Not ours", currency=1, company=1)
        (result,) = writer.write([Record("believes", {**ADA, "description": "Ours"}, crm_id=str(foreign))])
        assert result.crm_id != str(foreign)
        (lead,) = tryton.all("sale.opportunity", "description", where=[["id", "=", foreign]])
        assert lead["description"] == "Not ours"

    def test_who_was_erased_in_tryton_is_not_written_again(self, writer, tryton):
        (first,) = writer.write([Record("erased", ADA)])
        (party,) = tryton.all("party.party", where=[["code", "=", "erased"]])
        tryton.change("party.party", party["id"], active=False)
        context = {
            **tryton.context,
            "active_model": "party.party",
            "active_id": party["id"],
            "active_ids": [party["id"]],
        }
        wizard, _, _ = tryton.rpc("wizard.party.erase.create", context)
        tryton.rpc("wizard.party.erase.execute", wizard, {"ask": {"party": party["id"]}}, "erase", context)
        for crm_id in (first.crm_id, None):
            (second,) = writer.write([Record("erased", {**ADA, "comment": "Again."}, crm_id=crm_id)])
            assert (second.state, second.code) == ("rejected", "party_erased")
        (found,) = tryton.all("party.party", "name", "contact_mechanisms.value", where=[["code", "=", "erased"]])
        assert found["name"] is None
        assert {one["value"] for one in found["contact_mechanisms."]} == {"****"}

    def test_one_bad_row_takes_back_the_call_and_is_named_by_its_field_without_a_value(self, writer, tryton):
        bad = Record("bad-1", {**ADA, "conversion_probability": 7})
        with pytest.raises(RecordError) as refused:
            writer.write([Record("good-1", ADA), bad])
        assert refused.value.field == "Conversion Probability"
        assert not [word for word in ("7", "Ada", "bad-1", "@") if word in str(refused.value)]
        assert tryton.all("sale.opportunity", where=[["reference", "in", ["good-1", "bad-1"]]]) == []
        assert [result.state for result in writer.write([Record("good-1", ADA)])] == ["written"]
        assert len(tryton.all("party.party", where=[["code", "=", "good-1"]])) == 1

    def test_a_field_that_tryton_does_not_have_is_named(self, writer):
        with pytest.raises(TerminalError, match="Tryton has no field utm_source"):
            writer.write([Record("unknown", {**ADA, "utm_source": "fair"})])

    def test_a_session_that_ended_is_opened_again(self, writer, tryton, line):
        writer.write([Record("session", ADA)])
        key = writer._account._auth._key
        headers = {"Authorization": f"Session {key}"}
        body = {"id": 1, "method": "common.db.logout", "params": []}
        assert requests.post(f"{tryton.url}/crm/rpc/", json=body, headers=headers, timeout=10).status_code == 200
        line.methods.clear()
        assert writer.write([Record("session", ADA)])[0].state == "written"
        assert "common.db.login" in line.methods

    def test_check_lets_in_who_may_write_and_names_what_others_lack(self, writer, tryton, line):
        writer.check()
        tryton.new("res.user", name="Guest", login="guest", password=PASSWORD, companies=[["add", [1]]], company=1)
        guest = Connection(
            "crm", line.url, options={"database": "crm"}, secrets={"user": "guest", "password": PASSWORD}
        )
        with pytest.raises(TerminalError, match="may not read opportunities"):
            DESTINATION.connect(guest).check()
        with pytest.raises(TerminalError, match="not allowed to access"):
            DESTINATION.connect(guest).write([Record("guest", ADA)])

    @pytest.mark.parametrize(
        ("options", "secrets", "words"),
        [
            ({"database": "crm"}, {"user": USER, "password": "wrong-password-1"}, "refuses user or password"),
            ({"database": "nix"}, SECRETS, "404"),
        ],
    )
    def test_a_wrong_password_and_a_wrong_database_halt(self, line, options, secrets, words):
        with pytest.raises(TerminalError, match=words):
            DESTINATION.connect(Connection("crm", line.url, options=options, secrets=secrets)).check()
